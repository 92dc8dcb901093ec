"""The engine as a state machine: jobs are launched, paused and cancelled, responses are
lost, drivers are killed at chosen moments, frozen and doubled, in any order. The
invariants hold after each step.

JOBSUI_STATE_EXAMPLES sets the number of examples of a longer run, which are new each
time, and prints their steps.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sys import exception
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, retries, uncertain_rows
from jobsui.jobs.enums import Action, JobState, Weight
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import File, Job, Lease, Overlap, RunSettings
from jobsui.jobs.preparation import planner
from tests.harness import Harness
from tests.jobs import drivers, invariants
from tests.jobs.drivers import Driver
from tests.jobs.invariants import Snapshot

EXAMPLES = int(os.environ.get("JOBSUI_STATE_EXAMPLES", "0"))
DEFAULT_EXAMPLES = 3
VERBOSITY = Verbosity.debug if EXAMPLES else Verbosity.normal
STEPS = 8
SECONDS_AN_EXAMPLE = 60
MAX_MOVING_JOBS = 3
ONE_DAY = 86_400
END_SECONDS = 45

EDGES = (
    "http:after-write:POST /jobs",
    "http:before-write:POST /jobs",
    "http:after-read:POST /jobs",
    "commit:before",
    "commit:after",
    "http:before-write:GET show_many",
    "http:after-read:GET show_many",
    "http:after-read:GET /records",
)
FAULTS = (
    "drop-before-accept",
    "drop-after-accept",
    "502-after-accept",
    "503",
    "503-retry-after",
    "html-502",
    "html-200",
    "409",
    "rate-429",
    "too-many-jobs",
    "partial-list",
    "slow",
    "fresh-404",
    "killed",
    "failed-partial",
    "results-object",
    "no-index",
    "no-id",
    "shuffled",
    "short-results",
    "generic-results",
    "status-expired",
    "slow-job",
)


@dataclass(frozen=True)
class Launch:
    action: Action
    size: int
    ids: Literal["none", "ours", "theirs"]
    """Who chooses the external ids, where the action leaves a choice."""
    has_bad_rows: bool
    """Some rows that Zendesk refuses, and one that the check refuses."""
    hold_after_first_batch: bool
    keeps_undo: bool
    """Records are read before each batch."""
    rules: RunSettings


@dataclass(frozen=True)
class Ask:
    """One of the actions that a job offers: pause, resume, cancel, adjust, retry or
    resolve."""

    number: int
    decision: Literal["check_again", "resend", "accept"]
    rules: RunSettings


@dataclass(frozen=True)
class Weather:
    faults: dict[str, Any]
    others: int
    """Job slots that other integrations use."""
    lasting: float
    """Seconds after which job statuses expire."""


@dataclass(frozen=True)
class Drive:
    """Start a driver, unless there are two."""

    failpoint: str
    seconds: float
    then_kill: bool
    launch: Launch
    """What to launch when no job moves."""


@dataclass(frozen=True)
class Freeze:
    """A driver is frozen at a failpoint or at any moment. It continues after another
    driver has taken over."""

    failpoint: str
    seconds: float
    launch: Launch


whiles = st.sampled_from((0.05, 0.2, 0.4, 0.8))
all_rules = st.builds(
    RunSettings,
    st.sampled_from(Weight),
    stop_percent=st.sampled_from((None, 2)),
    stop_rows=st.just(100),
    stop_refusals=st.sampled_from((None, 2)),
)
launches = st.builds(
    Launch,
    st.sampled_from(Action),
    st.sampled_from((700, 400, 250, 101, 100, 99, 3, 1)),
    st.sampled_from(("none", "ours", "theirs")),
    st.booleans(),
    st.sampled_from((False, False, False, True)),
    st.booleans(),
    all_rules,
)
faults = st.dictionaries(
    st.sampled_from(FAULTS),
    st.fixed_dictionaries(
        {"rate": st.sampled_from((0.3, 1)), "times": st.integers(1, 4)}
    ),
    min_size=1,
    max_size=3,
)
failpoints = st.builds(
    "{}:{}".format, st.sampled_from(EDGES), st.sampled_from((2, 1, 3, 4, 5, 6, 8, 11))
)
events = st.one_of(
    st.builds(Drive, failpoints, st.just(3.0), st.booleans(), launches),
    st.builds(Drive, st.just(""), whiles, st.booleans(), launches),
    st.builds(
        Freeze, st.builds("commit:after:{}".format, st.integers(3, 9)), whiles, launches
    ),
    st.builds(Freeze, st.just(""), whiles, launches),
    st.builds(
        Ask,
        st.integers(0, 11),
        st.sampled_from(("check_again", "resend", "accept")),
        all_rules,
    ),
    st.builds(
        Weather,
        faults,
        st.sampled_from((0, 0, 1, 4, 30)),
        st.sampled_from((ONE_DAY, ONE_DAY, 0.2)),
    ),
    launches,
)


class Engine(RuleBasedStateMachine):
    """One rule for all events, because Hypothesis tends to leave rules out."""

    harness: ClassVar[Harness]
    reports: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = self.harness.sandbox
        self.drivers: list[Driver] = []
        self.rows = 0
        self.keys: dict[str, str] = {}
        """{record id: the key by which the sandbox counts it}, for records known by id."""
        self.before = Snapshot.taken()

    @initialize(
        window=st.sampled_from((2, 5, 30)),
        rate=st.sampled_from((1_200, 60_000)),
        seconds=st.sampled_from((0.1, 0.4)),
        ahead=st.booleans(),
    )
    def account(self, window: int, rate: int, seconds: float, ahead: bool) -> None:
        self.sandbox.reset()
        self.sandbox.settings(
            api_tokens=True,
            max_running_jobs=window,
            job_seconds=seconds,
            job_spread=0.5,
            retry_after=0,
            fresh_seconds=0.4,
            slow_seconds=0.6,
            other_jobs=0,
            status_seconds=ONE_DAY,
            requests_per_minute=rate,
        )
        connection = self.harness.connection
        connection.max_running_jobs = window
        connection.requests_per_minute = rate
        connection.early_send = ahead
        connection.save()
        self.harness.object("gadget")
        self.harness.object("label", is_unique=True)

    @rule(event=events)
    def happens(self, event: Launch | Ask | Weather | Drive | Freeze) -> None:
        match event:
            case Launch():
                self._launch(event)
            case Ask():
                self._ask(event)
            case Weather():
                self.sandbox.faults(**event.faults)
                self.sandbox.settings(
                    other_jobs=event.others, status_seconds=event.lasting
                )
            case Drive():
                self._drive(event)
            case Freeze():
                self._freeze(event)

    def _launch(self, what: Launch) -> None:
        if Job.objects.moving().count() >= MAX_MOVING_JOBS:
            return
        target = (
            "gadget" if what.action is Action.CREATE and what.ids == "none" else "label"
        )
        with self._good_weather():
            rows = self._rows(what, target)
            job = self.harness.checked(
                rows,
                what.action,
                key=target,
                invalid="skip",
                generate_external_ids=what.ids != "none",
                # Names are searched for one by one.
                keep_undo=what.keeps_undo and what.action is not Action.UPSERT_BY_NAME,
            )
            self._let_go(
                job,
                hold_after_first_batch=what.hold_after_first_batch,
                run_settings=what.rules,
            )

    def _ask(self, what: Ask) -> None:
        jobs = Job.objects.launched().order_by("pk")
        asked = [(verb, job) for job in jobs for verb in sorted(actions.may(job))]
        if not asked:
            return
        verb, job = asked[what.number % len(asked)]
        try:
            if verb == "retry":
                self._retry(job)
            elif verb == "resolve":
                uncertain_rows.resolve(job, what.decision, by=None)
            elif verb == "adjust":
                actions.set_run_settings(job, what.rules, by=None)
            else:
                getattr(actions, verb)(job, by=None)
        except NotPossibleNow:
            # Only a driver may have changed the job since.
            assert self.living, f"{verb} was offered and refused."

    def _drive(self, how: Drive) -> None:
        if not self.is_moving:
            self._launch(how.launch)
        if len(self.living) < 2:
            self.drivers.append(Driver(self.reports, how.failpoint))
        driver = self.drivers[-1]
        driver.wait(how.seconds)
        if how.then_kill:
            driver.kill()

    def _freeze(self, how: Freeze) -> None:
        if not self.is_moving:
            self._launch(how.launch)
        frozen = Driver(self.reports, how.failpoint, then_stop=True)
        frozen.wait(how.seconds)
        frozen.freeze()
        before = self._epoch()
        other = Driver(self.reports)
        self.drivers += [frozen, other]
        ends_at = time.monotonic() + drivers.TTL + 0.5
        while other.is_alive and self._epoch() == before:
            if time.monotonic() >= ends_at:
                break
            time.sleep(0.01)
        frozen.thaw()
        other.wait(how.seconds)
        frozen.kill()

    def _drive_to_the_end(self) -> None:
        self.sandbox.faults()
        self.sandbox.settings(other_jobs=0, status_seconds=ONE_DAY)
        ends_at = time.monotonic() + END_SECONDS
        while self.is_moving:
            if not self.living:
                self.drivers.append(Driver(self.reports))
            self._cancel_blocking_jobs()
            assert time.monotonic() < ends_at, f"9: no end.\n{Snapshot.taken()}"
            time.sleep(0.05)

    def _cancel_blocking_jobs(self) -> None:
        """Cancel the paused jobs that later jobs wait for."""
        waiting = Overlap.objects.filter(later__in=Job.objects.moving())
        blocking = Job.objects.filter(overlaps_with_later__in=waiting)
        for job in blocking.filter(state=JobState.PAUSED).distinct():
            actions.cancel(job, by=None)

    # Invariants

    @invariant()
    def holds(self) -> None:
        # Before the snapshot: what is applied by now was committed before.
        applied = self._applied()
        now = Snapshot.taken()
        try:
            assert not drivers.reported(self.reports)
            exits = {driver.exit_status for driver in self.drivers}
            assert exits <= {None, 0, 77, -9}, "A driver crashed."
            invariants.rows_add_up(now)
            invariants.counters_are_sums(now)
            invariants.epochs_follow_each_other(now)
            invariants.done_stays_done(self.before, now)
            invariants.no_item_is_applied_twice_silently(now, applied, self.keys)
            rate = self.harness.connection.requests_per_minute
            invariants.rate_is_kept(self.sandbox.log(), rate, len(self.drivers))
        except AssertionError as error:
            error.add_note(str(now))
            raise
        self.before = now

    def teardown(self) -> None:
        try:
            if exception() is None:
                self._end()
        finally:
            for driver in self.drivers:
                driver.kill()
            self._clean_up()

    def _end(self) -> None:
        self._drive_to_the_end()
        self.holds()
        while self.sandbox.seen("jobs")["running"]:
            time.sleep(0.05)
        now = Snapshot.taken()
        try:
            invariants.jobs_are_over_or_say_why(now)
            invariants.accepted_requests_are_attempts(now, self.sandbox.log())
            invariants.reported_results_are_true(now, self._applied(), self.keys)
        except AssertionError as error:
            error.add_note(str(now))
            raise

    # Helpers

    @property
    def is_moving(self) -> bool:
        return Job.objects.moving().exists()

    @property
    def living(self) -> list[Driver]:
        return [driver for driver in self.drivers if driver.is_alive]

    @staticmethod
    def _epoch() -> int:
        """How often the account was taken over."""
        accounts = Lease.objects.filter(name__startswith="account:")
        return max(accounts.values_list("epoch", flat=True), default=0)

    def _rows(self, what: Launch, target: str) -> list[dict[str, Any]]:
        """Rows with keys that no other job has."""
        numbers = range(self.rows, self.rows + what.size)
        self.rows += what.size
        refused = {n for n in numbers if what.has_bad_rows and n % 40 == 3}
        if what.action.deletes or what.action is Action.UPDATE:
            ids = self._records(target, [n for n in numbers if n not in refused])
            if what.action is Action.DELETE_BY_EXTERNAL_ID:
                return [{"external_id": f"g-{n}"} for n in numbers]
            more = {"price": "7"} if what.action is Action.UPDATE else {}
            return [{"id": ids.get(n, f"missing-{n}")} | more for n in numbers]
        if what.action is Action.UPSERT_BY_NAME or target == "gadget":
            # A name that is taken is no reason to refuse there.
            refused = set()
        taken = [
            {"name": f"Taken {n}", "custom_object_fields": {"serial": serial(n)}}
            for n in refused
        ]
        if taken:
            self.sandbox.add_records(target, taken)
        rows = [
            {"name": f"{'Taken' if n in refused else 'G'} {n}", "serial": serial(n)}
            for n in numbers
        ]
        if what.has_bad_rows:
            rows[0]["serial"] = "none"
        if what.action is Action.UPSERT_BY_EXTERNAL_ID or (
            what.action is Action.CREATE and what.ids == "theirs"
        ):
            return [
                {"external_id": f"g-{n}"} | row
                for n, row in zip(numbers, rows, strict=True)
            ]
        return rows

    def _records(self, target: str, numbers: list[int]) -> dict[int, str]:
        """Their ids."""
        records = [
            {
                "external_id": f"g-{n}",
                "name": f"G {n}",
                "custom_object_fields": {"serial": serial(n)},
            }
            for n in numbers
        ]
        ids = self.sandbox.add_records(target, records) if records else []
        self.keys |= {i: f"g-{n}" for i, n in zip(ids, numbers, strict=True)}
        return dict(zip(numbers, ids, strict=True))

    def _let_go(self, job: Job, **how: Any) -> None:
        if actions.launch_obstacle(job):
            return
        actions.launch(job, by=None, **how)
        planner.plan(job, stopping=threading.Event())
        self.harness.task_queue.clear()

    def _retry(self, job: Job) -> None:
        with self._good_weather():
            again = retries.create_retry(job, by=None)
            self.harness.task_queue[:] = [
                enqueue for enqueue in self.harness.task_queue if enqueue[0] != "drive"
            ]
            self.harness.task_queue.run_all()
            again.refresh_from_db()
            if again.state == JobState.READY:
                self._let_go(again)

    @contextmanager
    def _good_weather(self) -> Iterator[None]:
        """Without faults, for what a person waits for."""
        present = self.sandbox.seen("faults")["faults"]
        self.sandbox.faults()
        yield
        self.sandbox.faults(**present)

    def _applied(self) -> dict[str, int]:
        both = self.sandbox.applied("gadget") | self.sandbox.applied("label")
        return {key: times for key, times in both.items() if times}

    def _clean_up(self) -> None:
        for job in Job.objects.order_by("-pk"):
            job.delete()
        for model in (File, Lease, CustomObject):
            model.objects.all().delete()
        self.harness.task_queue.clear()
        self.reports.unlink(missing_ok=True)


def serial(number: int) -> str:
    return f"AB-{number:06}"


@pytest.mark.slow
@pytest.mark.timeout(60 + (EXAMPLES or DEFAULT_EXAMPLES) * SECONDS_AN_EXAMPLE)
def test_invariants_hold_whatever_happens(harness: Harness, tmp_path: Path) -> None:
    Engine.harness, Engine.reports = harness, tmp_path / "reports"

    # What happens depends on the time as well, so a failure can seldom be reproduced,
    # let alone be shrunk.
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=EXAMPLES or DEFAULT_EXAMPLES,
            derandomize=not EXAMPLES,
            stateful_step_count=STEPS,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            verbosity=VERBOSITY,
        ),
    )
