"""The way from a clone to a complete environment, with fake Pythons that record their
arguments."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = """#!/bin/sh
# A fake Python. $FAKE names the state of each: "python3.12=good python3=old".
me=${0##*/}
for one in $FAKE; do
  case $one in "$me="*) state=${one#*=};; esac
done
case "$*" in
  --version) echo "Python 3.9.2"; exit 0;;
  "-c import sys;"*) [ "$state" != old ]; exit;;
  "-c import ensurepip"*) [ "$state" = good ]; exit;;
  "-c "*) exit 0;;
esac
echo "$me $*" >> "$ASKED"
case "$*" in
  "-m venv"*)
    for folder; do :; done
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python";;
  "-m pip"*) [ ! -e broken ];;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >> "$ASKED"
"""


class Clone:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.programs = folder / "programs"
        self._asked = folder / "asked"
        (self.folder / "tools").mkdir(parents=True)
        self.programs.mkdir()
        for name in (
            "Makefile",
            "tools/venv.sh",
            "requirements.lock",
            "requirements-dev.lock",
        ):
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("sh", "make", "mkdir", "cp", "rm", "touch", "echo"):
            self._program(name, f'#!/bin/sh\nexec {shutil.which(name)} "$@"\n')
        self.pythons: dict[str, str] = {}

    def has(self, **pythons: str) -> None:
        """Add Pythons, with _ for the point in their names: good, old, or incomplete
        (without the venv module)."""
        for name, state in pythons.items():
            self.pythons[name.replace("_", ".")] = state
            self._program(name.replace("_", "."), PYTHON)

    def has_uv(self) -> None:
        self._program("uv", UV)

    def make(
        self, target: str = ".venv/.runtime"
    ) -> "subprocess.CompletedProcess[str]":
        return self._run("make", target)

    def venv(self) -> "subprocess.CompletedProcess[str]":
        return self._run("sh", "tools/venv.sh", ".venv")

    def asked(self) -> list[str]:
        """The commands that the programs received since the last call."""
        lines = self._asked.read_text().splitlines() if self._asked.exists() else []
        self._asked.unlink(missing_ok=True)
        return lines

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        fake = " ".join(f"{name}={state}" for name, state in self.pythons.items())
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": str(self.programs),
                "ASKED": str(self._asked),
                "FAKE": f"{fake} python=good",
            },
        )

    def _program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o700)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


VENV = "-m venv --clear .venv"
PIP = "python -m pip install --quiet --quiet --require-hashes -r requirements.lock"


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3_13": "good", "python3_12": "good"}, "python3.13"),
        ({"python3_12": "good", "python3": "old"}, "python3.12"),
        ({"python3_14": "good", "python3": "good"}, "python3.14"),
        ({"python3": "good"}, "python3"),
        ({"python3_13": "incomplete", "python3_12": "good"}, "python3.12"),
    ],
)
def test_first_suitable_python_is_used(
    clone: Clone, pythons: dict[str, str], chosen: str
) -> None:
    clone.has(**pythons)

    assert clone.venv().returncode == 0
    assert clone.asked() == [f"{chosen} {VENV}"]


@pytest.mark.parametrize(
    "pythons", [{}, {"python3": "old"}, {"python3_13": "incomplete"}]
)
def test_uv_is_used_where_no_python_is_suitable(
    clone: Clone, pythons: dict[str, str]
) -> None:
    clone.has(**pythons)
    clone.has_uv()

    assert clone.venv().returncode == 0
    assert clone.asked() == ["uv venv --quiet --seed --python 3.12 .venv"]


@pytest.mark.parametrize(
    ("pythons", "message"),
    [
        (
            {},
            "Jobs UI needs Python 3.12, 3.13 or 3.14, and this machine has no Python. "
            "Install one, or uv, and try again.\n",
        ),
        (
            {"python3": "old"},
            "Jobs UI needs Python 3.12, 3.13 or 3.14, and this machine has "
            "Python 3.9.2. Install one, or uv, and try again.\n",
        ),
        (
            {"python3_12": "incomplete", "python3": "old"},
            "python3.12 lacks its venv module. On Debian and Ubuntu: apt install python3.12-venv\n",
        ),
    ],
)
def test_missing_python_is_reported_in_one_sentence(
    clone: Clone, pythons: dict[str, str], message: str
) -> None:
    clone.has(**pythons)

    result = clone.venv()

    assert result.returncode == 1
    assert result.stderr == message
    assert clone.asked() == []


def test_complete_environment_is_not_installed_again(clone: Clone) -> None:
    clone.has(python3="good")
    clone.make()
    first = clone.asked()

    clone.make()

    assert first == [f"python3 {VENV}", PIP]
    assert clone.asked() == []


def test_interrupted_install_starts_again(clone: Clone) -> None:
    clone.has(python3="good")
    (clone.folder / "broken").touch()
    interrupted = clone.make()
    clone.asked()
    (clone.folder / "broken").unlink()

    again = clone.make()

    assert interrupted.returncode != 0
    assert again.returncode == 0
    assert clone.asked() == [f"python3 {VENV}", PIP]


def test_incomplete_environment_is_created_again(clone: Clone) -> None:
    clone.has(python3="good")
    (clone.folder / ".venv" / "bin").mkdir(parents=True)
    (clone.folder / ".venv" / "bin" / "python").touch()

    assert clone.make().returncode == 0
    assert clone.asked() == [f"python3 {VENV}", PIP]


def test_environment_without_its_python_is_created_again(clone: Clone) -> None:
    clone.has(python3="good")
    clone.make()
    clone.asked()
    (clone.folder / ".venv" / "bin" / "python").unlink()

    assert clone.make().returncode == 0
    assert clone.asked() == [f"python3 {VENV}", PIP]


def test_changed_lock_is_installed(clone: Clone) -> None:
    clone.has(python3="good")
    clone.make()
    clone.asked()
    lock = clone.folder / "requirements.lock"
    later = (clone.folder / ".venv" / ".runtime").stat().st_mtime + 5
    os.utime(lock, (later, later))

    clone.make()

    assert clone.asked() == [PIP]
