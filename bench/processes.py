"""The product's own processes as people run them, and what they cost by the figures of /proc."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
KINDS = {"gunicorn": "web", "work drive": "worker drive", "work work": "worker work", "manage.py sweep": "sweep",
         "valkey-server": "valkey", "manage.py up": "up", "jobsui.sandbox": "sandbox"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU since the process began, its ended children's included; the most memory it ever held."""

    cpu_seconds: float
    peak_mb: float


class Processes:
    """A sandbox, and `manage.py up` beside it."""

    def __init__(self, data: Path, port: int, sandbox_options: Mapping[str, object], workers: int) -> None:
        words = [f"--{name.replace('_', '-')}={value}" for name, value in sandbox_options.items()]
        self._sandbox = _started("-m", "jobsui.sandbox", "--port", str(port + 1), "--samples", *words)
        self.sandbox = _waited(self._sandbox, " at ").split(" at ")[1].split()[0]
        os.environ |= {
            "JOBSUI_DATA_DIR": str(data),
            "JOBSUI_API_HOSTS": self.sandbox.removeprefix("http://"),
            "DJANGO_SETTINGS_MODULE": "jobsui.settings",
        }
        self._up = _started(str(ROOT / "manage.py"), "up", "--port", str(port), "--workers", str(workers))
        self.url = _waited(self._up, "is running at ").split("is running at ")[1].split()[0]

    def costs(self) -> dict[str, Cost]:
        """By kind of process: CPU added up, memory of the largest."""
        found: dict[str, Cost] = {}
        for pid in [self._sandbox.pid, self._up.pid, *_descendants(self._up.pid)]:
            if (kind := _kind(pid)) and (cost := _cost(pid)):
                before = found.get(kind, Cost(0.0, 0.0))
                found[kind] = Cost(before.cpu_seconds + cost.cpu_seconds, max(before.peak_mb, cost.peak_mb))
        return found

    def stop(self) -> None:
        for process in (self._up, self._sandbox):
            process.send_signal(signal.SIGINT)
        for process in (self._up, self._sandbox):
            process.wait(30)


def _started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _waited(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout
    line = next((line for line in process.stdout if words in line), None)
    if line is None:
        raise SystemExit(f"{process.args!r} ended before it said “{words}”.")
    return line


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _kind(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((kind for words, kind in KINDS.items() if words in command), "")


def _cost(pid: int) -> Cost | None:
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), None)
    if peak is None:
        return None
    # Behind the name in brackets: utime, stime, cutime and cstime are fields 14 to 17.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Cost(sum(map(int, fields[11:15])) / TICKS, int(peak) / 1024)
