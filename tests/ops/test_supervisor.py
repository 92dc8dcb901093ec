"""The supervisor, with tiny shell scripts as its parts."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobsui.ops import supervisor as supervision
from jobsui.ops.supervisor import Part, Supervisor

FOREVER = "while :; do sleep 0.05; done"


class Scripts(Supervisor):
    """Its parts write words into the file `notes`. Its console is a list."""

    def __init__(self, folder: Path) -> None:
        self.console: list[str] = []
        self.notes = folder / "notes"
        super().__init__(
            folder / "logs",
            {"PATH": os.environ["PATH"], "NOTES": str(self.notes)},
            self.console.append,
        )

    def run(
        self, name: str, script: str, *, once: bool = False, base: bool = False
    ) -> Part:
        part = Part(name, ["/bin/sh", "-c", script], once=once, base=base)
        self.start(part)
        return part

    def watch_until(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        self.watch(until=lambda: is_true() or time.monotonic() > deadline)
        assert is_true()

    def words(self) -> list[str]:
        return self.notes.read_text().split() if self.notes.exists() else []


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Scripts]:
    started = Scripts(tmp_path)
    yield started
    started.stop()


def pid_of(part: Part) -> int:
    assert part.process is not None
    return part.process.pid


def is_running(pid: int) -> bool:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False
    is_zombie = after_name.split()[0] == "Z"
    return not is_zombie


def wait_until_gone(pids: list[int]) -> None:
    """The kernel may take a moment to end processes that are not our own children."""
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_killed_part_is_started_again_and_reported(supervisor: Scripts) -> None:
    part = supervisor.run("steady", FOREVER)
    first = pid_of(part)

    os.kill(first, signal.SIGKILL)
    supervisor.watch_until(lambda: part.is_alive and pid_of(part) != first)

    assert supervisor.console == ["steady ended (signal SIGKILL). Restarting now."]


@pytest.mark.parametrize(
    ("failures", "words"),
    [(1, " in 2 s"), (2, " in 4 s"), (3, " in 8 s"), (9, " in 30 s")],
)
def test_wait_before_the_next_start_doubles_up_to_half_a_minute(
    supervisor: Scripts, failures: int, words: str
) -> None:
    part = supervisor.run("hasty", "exit 0")
    part.failures = failures

    supervisor.watch_until(lambda: part.process is None)

    assert supervisor.console == [f"hasty ended (status 0). Restarting{words}."]


def test_part_that_was_steady_for_a_minute_is_started_again_at_once(
    supervisor: Scripts,
) -> None:
    part = supervisor.run("steady", "exit 0")
    part.failures = 5
    part.started_at -= supervision.STABLE_SECONDS + 1

    supervisor.watch_until(lambda: bool(supervisor.console))

    assert supervisor.console[0] == "steady ended (status 0). Restarting now."


def test_one_time_part_is_not_started_again(supervisor: Scripts) -> None:
    once = supervisor.run("once", "echo begun >> $NOTES", once=True)

    supervisor.watch_until(lambda: not once.is_alive)
    supervisor.watch_until(lambda: True)

    assert supervisor.words() == ["begun"]
    assert supervisor.console == []


def test_children_of_a_dead_part_end_before_it_starts_again(
    supervisor: Scripts,
) -> None:
    part = supervisor.run("parent", f"({FOREVER}) & echo $! >> $NOTES; {FOREVER}")
    supervisor.watch_until(lambda: len(supervisor.words()) == 1)

    os.kill(pid_of(part), signal.SIGKILL)
    supervisor.watch_until(lambda: len(supervisor.words()) == 2)

    child, next_child = map(int, supervisor.words())
    wait_until_gone([child])
    assert not is_running(child)
    assert is_running(next_child)


def test_stop_ends_the_base_last(supervisor: Scripts) -> None:
    for name, base in (("base", True), ("web", False)):
        on_term = f"sleep 0.1; echo {name} >> $NOTES; exit 0"
        script = f"trap '{on_term}' TERM; echo up >> $NOTES; {FOREVER}"
        supervisor.run(name, script, base=base)
    supervisor.watch_until(lambda: len(supervisor.words()) == 2)

    supervisor.stop()

    assert supervisor.words() == ["up", "up", "web", "base"]


def test_stop_kills_a_deaf_part_and_its_children(supervisor: Scripts) -> None:
    part = supervisor.run(
        "deaf", f"trap '' TERM; ({FOREVER}) & echo $! >> $NOTES; {FOREVER}"
    )
    part.timeout = 0.1
    supervisor.watch_until(lambda: len(supervisor.words()) == 1)

    supervisor.stop()
    child = int(supervisor.words()[0])
    wait_until_gone([pid_of(part), child])

    assert not is_running(pid_of(part))
    assert not is_running(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_watch_and_starts_nothing_more(
    supervisor: Scripts, number: signal.Signals
) -> None:
    before = {
        which: signal.getsignal(which)
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    supervisor.handle_signals()
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    supervisor.watch()
    late = supervisor.run("late", FOREVER)
    for which, handler in before.items():
        signal.signal(which, handler)

    assert supervisor.is_stopping
    assert late.process is None


def test_large_log_is_rotated_and_belongs_to_its_owner(
    supervisor: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "MAX_LOG_BYTES", 3)
    part = supervisor.run("talker", "echo hello; sleep 0.1")
    log = supervisor.notes.parent / "logs" / "talker.log"

    supervisor.watch_until(lambda: part.failures == 1)

    assert log.stat().st_mode & 0o777 == 0o600
    assert log.with_suffix(".log.1").read_text() == "hello\n"
