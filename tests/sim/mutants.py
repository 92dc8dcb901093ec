"""Puts faults into the engine on purpose (mutations.py), to see whether they are noticed.

    python -m tests.sim.mutants             all of them, as a table
    python -m tests.sim.mutants "no fence"  one
    python -m tests.sim.mutants --to FILE   all of them, and writes the table

Each is applied to a copy of the project. It is noticed when an oracle speaks that is
silent without it, or when the test fails that it names."""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sim.mutations import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("jobsui", "tests", "templates", "static", "manage.py", "pyproject.toml")
LAST_SEED = 400
MAX_SECONDS = 60
"""Of CPU time."""
TABLE = """# Mutants

Faults put into the engine on purpose, and what notices each within a minute of CPU time. An
oracle is named by its letter ([faults.md](faults.md)); the seed and the profile replay its
history. `python -m tests.sim.mutants --to docs/mutants.md` writes this table.

| mutant | noticed by | CPU s |
| --- | --- | --- |
"""


def main() -> None:
    options = _options()
    rows = []
    for mutant in MUTANTS:
        if options.name in {"", mutant.name}:
            noticed_by, seconds = _try(mutant)
            rows.append(f"| {mutant.name} | {noticed_by} | {seconds:.0f} |")
            print(rows[-1], flush=True)
    if options.to:
        Path(options.to).write_text(TABLE + "\n".join(rows) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutants")
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--to", default="", help="the file to write the table to")
    return parser.parse_args()


def _try(mutant: Mutant) -> tuple[str, float]:
    """What notices the mutant, and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with _mutated(mutant) as folder:
        noticed_by = _run_test(mutant, folder) if mutant.test else _hunt(mutant, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return noticed_by, after.ru_utime - before.ru_utime


@contextmanager
def _mutated(mutant: Mutant) -> Iterator[Path]:
    """A copy of the project with the mutant."""
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3")
    with tempfile.TemporaryDirectory(prefix="jobsui-mutant-") as name:
        folder = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=ignored)
            else:
                shutil.copy(source, folder / part)
        path = folder / mutant.path
        path.write_text(path.read_text().replace(mutant.old, mutant.new, 1))
        yield folder


def _hunt(mutant: Mutant, folder: Path) -> str:
    command = ["tests.sim", "hunt", "1", str(LAST_SEED), "--profile", mutant.profile]
    ran = _run(command, folder)
    lines = (ran.stdout or ran.stderr).strip().splitlines()
    found, in_seed, rest = (lines[-1] if lines else "").partition(" in seed ")
    if not in_seed:
        return f"**nothing**: {found}"
    profile = f", {mutant.profile}" if mutant.profile else ""
    return f"{found} (seed {rest.split()[0]}{profile})"


def _run_test(mutant: Mutant, folder: Path) -> str:
    command = ["pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", mutant.test]
    ran = _run(command, folder)
    name = mutant.test.rpartition("::")[2]
    # A test that cannot even begin notices nothing.
    has_failed = ran.returncode == 1 and " failed" in ran.stdout
    return f"`{name}`" if has_failed else f"**not** by `{name}`"


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limit_time,
    )


def _limit_time() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))


if __name__ == "__main__":
    main()
