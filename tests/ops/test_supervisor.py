"""The supervisor on tiny children of its own."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobsui.ops import supervisor as module
from jobsui.ops.supervisor import Part, Supervisor

FOREVER = "while :; do sleep 0.05; done"


class Kept(Supervisor):
    """One whose children write into `notes`, and whose console is a list."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.notes = folder / "notes"
        super().__init__(
            folder / "logs",
            {"PATH": os.environ["PATH"], "NOTES": str(self.notes)},
            self.said.append,
        )

    def run(
        self, name: str, script: str, *, once: bool = False, base: bool = False
    ) -> Part:
        part = Part(name, ["/bin/sh", "-c", script], once=once, base=base)
        self.start(part)
        return part

    def until(self, is_so: Callable[[], bool]) -> None:
        ends = time.monotonic() + 20
        self.watch(until=lambda: is_so() or time.monotonic() > ends)
        assert is_so()

    def noted(self) -> list[str]:
        return self.notes.read_text().split() if self.notes.exists() else []


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    one = Kept(tmp_path)
    yield one
    one.stop()


def pid_of(part: Part) -> int:
    assert part.process is not None
    return part.process.pid


def is_running(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    ends = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < ends:
        time.sleep(0.01)


def test_part_that_is_killed_is_started_again_and_said_so(kept: Kept) -> None:
    part = kept.run("steady", FOREVER)
    first = pid_of(part)

    os.kill(first, signal.SIGKILL)
    kept.until(lambda: part.is_alive and pid_of(part) != first)

    assert kept.said == ["steady ended (signal SIGKILL). Restarting now."]


@pytest.mark.parametrize(
    ("failures", "words"),
    [(1, " in 2 s"), (2, " in 4 s"), (3, " in 8 s"), (9, " in 30 s")],
)
def test_wait_before_the_next_start_doubles_up_to_half_a_minute(
    kept: Kept, failures: int, words: str
) -> None:
    part = kept.run("hasty", "exit 0")
    part.failures = failures

    kept.until(lambda: part.process is None)

    assert kept.said == [f"hasty ended (status 0). Restarting{words}."]


def test_part_that_was_steady_for_a_minute_is_started_again_at_once(kept: Kept) -> None:
    part = kept.run("steady", "exit 0")
    part.failures, part.started_at = 5, part.started_at - module.STABLE_SECONDS - 1

    kept.until(lambda: bool(kept.said))

    assert kept.said[0] == "steady ended (status 0). Restarting now."


def test_part_that_ends_by_itself_is_let_go(kept: Kept) -> None:
    once = kept.run("once", "echo begun >> $NOTES", once=True)

    kept.until(lambda: not once.is_alive)
    kept.until(lambda: True)

    assert kept.noted() == ["begun"]
    assert kept.said == []


def test_what_a_dead_part_had_started_is_ended_before_it_begins_anew(
    kept: Kept,
) -> None:
    part = kept.run("parent", f"({FOREVER}) & echo $! >> $NOTES; {FOREVER}")
    kept.until(lambda: len(kept.noted()) == 1)

    os.kill(pid_of(part), signal.SIGKILL)
    kept.until(lambda: len(kept.noted()) == 2)

    child, next_child = map(int, kept.noted())
    wait_until_gone([child])
    assert (is_running(child), is_running(next_child)) == (False, True)


def test_stop_ends_the_base_after_all_others(kept: Kept) -> None:
    for name, base in (("base", True), ("web", False)):
        kept.run(
            name,
            f"trap 'sleep 0.1; echo {name} >> $NOTES; exit 0' TERM; echo up >> $NOTES; {FOREVER}",
            base=base,
        )
    kept.until(lambda: len(kept.noted()) == 2)

    kept.stop()

    assert kept.noted() == ["up", "up", "web", "base"]


def test_stop_kills_what_does_not_listen_with_all_it_started(kept: Kept) -> None:
    part = kept.run("deaf", f"trap '' TERM; ({FOREVER}) & echo $! >> $NOTES; {FOREVER}")
    part.timeout = 0.1
    kept.until(lambda: len(kept.noted()) == 1)

    kept.stop()
    left = [pid_of(part), int(kept.noted()[0])]
    wait_until_gone(left)  # The kernel may take a moment for what is not our own child.

    assert [is_running(pid) for pid in left] == [False, False]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_watch_and_nothing_more_is_started(
    kept: Kept, number: signal.Signals
) -> None:
    before = {
        which: signal.getsignal(which)
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    kept.handle_signals()
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    kept.watch()
    late = kept.run("late", FOREVER)
    for which, handler in before.items():
        signal.signal(which, handler)

    assert (kept.is_stopping, late.process) == (True, None)


def test_log_is_for_its_owner_and_starts_anew_when_it_is_large(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 3)
    part = kept.run("talker", "echo hello; sleep 0.1")
    log = kept.notes.parent / "logs" / "talker.log"

    kept.until(lambda: part.failures == 1)

    assert (log.stat().st_mode & 0o777, log.with_suffix(".log.1").read_text()) == (
        0o600,
        "hello\n",
    )
