"""One history: a plan, played by the product's own sending side on virtual time."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from types import FrameType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pyarrow as pa
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper
from greenlet import GreenletExit, getcurrent

from jobsui.connections.models import Connection
from jobsui.jobs import leases, tasks
from jobsui.jobs.control import actions, drafts, retries, uncertain_rows
from jobsui.jobs.delivery import prior_reads
from jobsui.jobs.delivery.decision import REFUSED_READ
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.driver_pool import DriverPool
from jobsui.jobs.delivery.turns import Turn
from jobsui.jobs.enums import (
    MOVING,
    OVER,
    Action,
    BatchState,
    EventKind,
    FileState,
    JobState,
    ReadState,
)
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger import record_order
from jobsui.jobs.ledger.record_order import KEYS_PER_PART, HashedKeys
from jobsui.jobs.live import reader, record_watch
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import (
    Attempt,
    Batch,
    BatchBlob,
    BatchImages,
    File,
    Job,
    JobEvent,
    Lease,
    RecordRead,
    RecordWatch,
)
from jobsui.jobs.preparation import pending_rows
from jobsui.jobs.preparation.key_hashes import hashes_of
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import FIELDS, Image
from jobsui.jobs.timing import Timing
from jobsui.zendesk.transport import Received, Request
from tests import failpoints
from tests.conftest import delete_rows
from tests.factories import make_connection, make_object
from tests.jobs import invariants
from tests.sim import world
from tests.sim.account import FIELDS_OF_RECORDS, Account, Shown
from tests.sim.executor import SimExecutor
from tests.sim.hub import EPOCH, Hub, Process, ProcessThread, Runaway, SimClock
from tests.sim.live import LiveJobs, Read, Undone
from tests.sim.network import Network, SimTransport
from tests.sim.plan import JobPlan, Plan
from tests.sim.uploads import delete_files, upload
from tests.sim.witness import Witness

OBJECT = "gadget"
ONLY_IN_ACCOUNT = ("k60", "k61", "k62", "k63", "k64", "k65", "")
"""The keys of records that no file has."""
TASKS = {
    "check_job": tasks.check_job,
    "plan_job": tasks.plan_job,
    "divide_rows": tasks.divide_rows,
    "index_job": tasks.index_job,
}
PERSONS_ANSWER_EVERY = 20.0
BOUND = 1_800.0
"""Seconds after the faults have ended, and after the last decision of a person, within
which every job must be over."""
START_EVERY = 3.0
"""How often a host looks for accounts without a driver."""
SWEEP_EVERY = 15.0
"""How often it looks for lost tasks, and persons for checked jobs."""


@dataclass(frozen=True)
class Row:
    """What the product says of one row at the end."""

    tag: str
    job: int
    host: str
    action: str
    key: str
    value: str
    outcome: str
    record_id: str
    code: str
    unconfirmed_attempts: int
    attempts: int
    sent_id: str = ""
    """The record id of an item that has one."""
    sent_at: tuple[float, ...] = ()
    """When each attempt of its batch began."""
    is_read_before: bool = False
    """Whether its record is read before it is sent."""
    before: Mapping[str, object] | None = None
    """What is kept of its record: {field: value}; None for nothing."""
    number: int = 0
    """That of the row in its job."""
    item: Any = None
    own_action: str = ""
    """That of its batch, if that has one."""
    done_at: float = 0.0
    """When its batch got its last result."""


@dataclass
class History:
    plan: Plan
    story: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)
    """State of each job by its number in the plan."""
    launched: list[int] = field(default_factory=list)
    """The numbers of the jobs in the order in which they were launched."""
    faults: list[tuple[str, str]] = field(default_factory=list)
    """(oracle, what it found while the history ran)."""
    told_at: list[float] = field(default_factory=list)
    """The time of each line of the story."""
    commits: list[float] = field(default_factory=list)
    """The time of each commit of a process."""
    ended_at: float = 0.0
    accounts: list[Account] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    """How often each planned fault and each act of a person took place."""
    notes: set[str] = field(default_factory=set)
    """What the attempts say of themselves."""
    late: list[int] = field(default_factory=list)
    """The numbers of the jobs on reachable accounts that were open when the faults ended."""
    not_waited_for: set[int] = field(default_factory=set)
    """The numbers of the jobs of which a person stopped waiting for results."""
    resent_by_persons: Counter[str] = field(default_factory=Counter)
    """{tag: how often a person had the row sent again, whatever may have happened}."""
    paused_alone: list[str] = field(default_factory=list)
    """Jobs that were paused though none of their own requests was refused or lost."""
    shown: list[Shown] = field(default_factory=list)
    """What processes have learned of records, in the order of time."""
    reads: list[Read] = field(default_factory=list)
    """The comparisons, reads of undos, and proofs that were done."""
    undone: dict[int, Undone] = field(default_factory=dict)
    """By the number of the job that undoes another one."""

    def find(self, oracle: str, what: str) -> None:
        self.faults.append((oracle, what))


def play(plan: Plan, timing: Timing | None = None) -> History:
    """Play a plan. Needs an empty database, and leaves it empty."""
    timing = timing or Timing(pool_interval=START_EVERY, **plan.timing)
    return _Player(plan, timing).play()


class _Player:
    def __init__(self, plan: Plan, timing: Timing) -> None:
        self.plan = plan
        self.timing = timing
        self.hub = Hub()
        self.history = History(plan)
        self.network = Network(plan)
        self.history.happened = self.network.happened
        self.history.shown = self.network.shown
        self.accounts: dict[str, Account] = {}
        """By host."""
        self.witnesses: dict[str, Witness] = {}
        for number in range(1 + max(job.account for job in plan.jobs)):
            self._add_account(number)
        self.processes: list[Process] = []
        self.jobs: dict[int, Job] = {}
        """By number in the plan. Retries, continuations and undos have the numbers
        behind."""
        self.live = LiveJobs(self.hub, self.history, self.jobs, self.tell)
        self.database_ahead = 0.0
        self.host_ahead = 0.0
        self.is_closing = False
        self._answered = Counter[int]()
        self._looked_at = 0.0
        self._ends_at = plan.faults_end + BOUND

    def _add_account(self, number: int) -> None:
        account = Account(number, self.hub, self.plan, self.tell, self._tags_of_items)
        self.history.accounts.append(account)
        self.accounts[account.host] = account
        self.witnesses[account.host] = Witness(
            self.hub,
            self.plan,
            self.timing,
            account,
            self.history.resent_by_persons,
            self.history.find,
        )

    def tell(self, what: str) -> None:
        self.history.story.append(f"{self.hub.now:9.2f}  {what}")
        self.history.told_at.append(self.hub.now)

    # The course of a history

    def play(self) -> History:
        with world.inside(self):
            try:
                self._prepare()
                with failpoints.watching(self._at_edge):
                    try:
                        self.hub.run(self._is_over)
                    except Runaway as error:
                        self.history.find("C", str(error))
                self._conclude()
            finally:
                self._close()
        return self.history

    # What the product has instead of clocks, sockets and a queue

    def now(self) -> datetime:
        process = self.current_process()
        ahead = process.wall_ahead if process else self.host_ahead
        return EPOCH + timedelta(seconds=self.hub.now + ahead)

    def monotonic(self) -> float:
        return self.hub.now

    def exchange(self, request: Request, deadline: float) -> Received:
        """Of a reader. Persons get their responses at once."""
        account = self.accounts[urlsplit(request.url).netloc]
        process = self.current_process()
        if process is None:
            return account.handle(request)
        return self._transport(process, account.host).exchange(
            request, deadline=deadline
        )

    def enqueue(self, task: str, ids: tuple[int, ...]) -> None:
        if task in TASKS:
            self.hub.after(0.1, partial(self._work, task, *ids))

    def _prepare(self) -> None:
        # A connection that has prepared statements goes on asking SQLite for the time.
        connection.close()
        connection_created.connect(self._give_clock)
        connection.ensure_connection()
        self._give_clock(connection)
        self.connections = [self._connect(host) for host in self.accounts]
        self._prepare_records()
        for number, job in enumerate(self.plan.jobs):
            self.hub.at(job.launch_at, partial(self._launch, number))
        for time, what, which in self.plan.events:
            self.hub.at(time, partial(self._happen, what, which))
        weather = self.plan.weather
        if weather.database_jumps_at is not None:
            self.hub.at(weather.database_jumps_at, self._jump)
        if weather.host_jumps_at is not None:
            self.hub.at(weather.host_jumps_at, self._jump_host)
        self.hub.at(0.5, self._host)
        self.hub.at(0.5, self._sweep)
        self.hub.at(self.plan.faults_end, self._persons)
        if self.plan.is_live:
            world.set_batch_size(self.plan.jobs[0].batch_size)
            self.hub.at(0.5, self._look_at_live_jobs)

    def _connect(self, host: str) -> Connection:
        connected = make_connection(
            name=host,
            host=host,
            requests_per_minute=self.plan.weather.requests_per_minute,
            share=80 if self.plan.is_live else 100,
            max_running_jobs=self.plan.weather.max_running_jobs,
            early_send=False,
        )
        make_object(connected, OBJECT, fields=list(FIELDS_OF_RECORDS))
        return connected

    def _prepare_records(self) -> None:
        for number, account in enumerate(self.history.accounts):
            jobs = [job for job in self.plan.jobs if job.account == number]
            _add_records(account, jobs)

    def _launch(self, number: int) -> None:
        plan = self.plan.jobs[number]
        tags = [_tag(number, row) for row in range(len(plan.rows))]
        connected = self.connections[plan.account]
        if plan.columns:
            self.live.upload(number, connected, self.accounts[connected.host])
            return
        account = self.accounts[connected.host]
        items = [_item(number, row, plan, account) for row in range(len(plan.rows))]
        if self.plan.has_files:
            options = Options(keep_undo=plan.keep_undo)
            job = upload(plan.action, items, connected, options)
        else:
            job = _create_job(number, plan, items, connected, account)
        self.jobs[number] = job
        witness = self.witnesses[connected.host]
        for row, tag in enumerate(tags, 1):
            witness.job_ids[tag] = [job.pk]
            witness.row_numbers[tag] = row
        pairs = zip(tags, plan.rows, strict=True)
        keys = " ".join(f"{tag}={key}" for tag, (key, _) in pairs)
        self.tell(f"job {number} launched: {plan.action} {keys}")

    def _is_over(self) -> bool:
        if self.hub.now < self._looked_at + 0.5:
            return False
        self._looked_at = self.hub.now
        if self.hub.now > self._ends_at:
            return True
        if len(self.jobs) < len(self.plan.jobs):
            return False
        if any(account.running for account in self.history.accounts):
            return False
        return not self.live.is_open and all(
            state in OVER for state in self._states().values()
        )

    def _states(self) -> dict[int, str]:
        """{job id: state}. It is read so often that the ORM would take a tenth of the time of
        a history."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, state FROM jobs_job")
            return dict(cursor.fetchall())

    def _conclude(self) -> None:
        self.history.ended_at = self.hub.now
        now = invariants.Snapshot.taken()
        for invariant in (
            invariants.rows_add_up,
            invariants.counters_are_sums,
            invariants.epochs_follow_each_other,
        ):
            try:
                invariant(now)
            except AssertionError as error:
                self.history.find("S", str(error))
        for number, job in self.jobs.items():
            job.refresh_from_db()
            self.history.states[number] = job.state
            self.history.rows += _rows_of(number, job, self._account_of(job))
        for account in self.history.accounts:
            self.history.happened.update(account.odd_jobs)
        self.live.conclude()
        self.history.launched = self._launched()
        notes = Attempt.objects.values_list("note", flat=True)
        self.history.notes = {re.sub(r"\d+", "N", note) for note in notes}
        self.history.paused_alone = self._paused_alone()

    def _account_of(self, job: Job) -> Account:
        return self.accounts[job.connection.host]

    def _launched(self) -> list[int]:
        if not self.plan.has_files and not self.plan.is_live:
            return sorted(self.jobs, key=lambda number: self.jobs[number].pk)
        numbers = {job.pk: number for number, job in self.jobs.items()}
        launches = JobEvent.objects.filter(kind=EventKind.LAUNCHED).order_by("pk")
        return [numbers[job_id] for job_id in launches.values_list("job", flat=True)]

    def _paused_alone(self) -> list[str]:
        """Jobs that the driver paused though no request about their rows was refused, and
        each was answered."""
        pauses = JobEvent.objects.filter(kind=EventKind.AUTO_PAUSED)
        paused = set(pauses.values_list("job", flat=True))
        doubtful = Attempt.objects.exclude(result__in=["", "accepted", "limited"])
        paused -= set(doubtful.values_list("batch__job", flat=True))
        for witness in self.witnesses.values():
            for tag in self.network.refused_tags & witness.job_ids.keys():
                paused -= set(witness.job_ids[tag])
        paused -= self._refused_reads()
        return [f"job {n}" for n, job in self.jobs.items() if job.pk in paused]

    def _refused_reads(self) -> set[int]:
        """The jobs whose records may not have been shown before a batch."""
        refused = JobEvent.objects.filter(
            kind=EventKind.AUTO_PAUSED, facts__reason__startswith=REFUSED_READ
        )
        reading = {job.pk for job in self.jobs.values() if prior_reads.has_any(job)}
        return reading & set(refused.values_list("job", flat=True))

    def _close(self) -> None:
        """End what still waits. Its last words go to a database that is emptied."""
        connection_created.disconnect(self._give_clock)
        self.is_closing = True
        for process in self.processes:
            process.end()
        _reset_connection()
        delete_files()
        delete_rows()
        # The next connection has the real time again.
        connection.close()

    # Hosts and their drivers

    def _host(self) -> None:
        """A host starts a worker with a pool of drivers where there is work and none."""
        self.hub.after(START_EVERY, self._host)
        if not any(state in MOVING for state in self._states().values()):
            return
        has_driver = Lease.objects.live().filter(name__startswith="account:").exists()
        workers = [each for each in self.processes if each.name.startswith("worker")]
        running = sum(worker.is_running for worker in workers)
        if not has_driver or running < self.plan.workers:
            self._start("worker", self._run_pool)

    def _start(self, name: str, run: Callable[[Process], None]) -> Process:
        process = Process(self.hub, f"{name} {len(self.processes) + 1}")
        process.wall_ahead = self.host_ahead
        self.processes.append(process)
        process.start(lambda: run(process))
        return process

    def _guard(self, process: Process, run: Callable[[], None]) -> None:
        """Run a process. An error of the product that ends it is found, unless it may
        happen."""
        try:
            run()
        except GreenletExit:
            raise
        except leases.LeaseLost:
            self.tell(f"{process.name} lost its lease")
        except OperationalError as error:
            self.tell(f"{process.name} ends: {error}")
        except Exception as error:
            if not self.is_closing:
                self.tell(f"{process.name} crashes: {error!r}")
                self.history.find("C", f"{process.name} crashed: {error!r}")

    def _run_pool(self, process: Process) -> None:
        def start(host: str, turn: Turn) -> ProcessThread:
            return process.start(lambda: self._drive(process, host, turn))

        DriverPool(
            process.stopping,
            self.timing,
            SimClock(process),
            self.plan.max_accounts,
            start,
        ).run()

    def _drive(self, process: Process, host: str, turn: Turn) -> None:
        try:
            self._guard(process, lambda: self._own_account(process, host, turn))
        finally:
            turn.end()

    def _own_account(self, process: Process, host: str, turn: Turn) -> None:
        clock = SimClock(process)
        witness = self.witnesses[host]
        with leases.held(
            f"account:{host}",
            owner=process.name,
            clock=clock,
            ttl=self.timing.lease_ttl,
        ) as lease:
            if lease is None:
                return
            witness.driver_starts.append(self.hub.now)
            self.tell(f"{process.name} drives {host}")
            turn.begin(lease.epoch)
            Driver(
                host,
                lease,
                process.stopping,
                timing=self.timing,
                clock=clock,
                executor=SimExecutor(process),
                transport=self._transport(process, host),
                turn=turn,
            ).run()
        self.tell(f"{process.name} drives {host} no longer")

    def _transport(self, process: Process, host: str) -> SimTransport:
        return SimTransport(
            process,
            self.network,
            self.accounts[host],
            self.plan,
            self.tell,
            self.witnesses[host],
        )

    def _tags_of_items(self, items: Sequence[Any]) -> tuple[str, ...]:
        """The rows of the batch that is being sent with these items."""
        wanted = [json.dumps(item, sort_keys=True) for item in items]
        for batch in Batch.objects.filter(state=BatchState.SENDING):
            rows = {
                json.dumps(item, sort_keys=True): row
                for row, item in zip(
                    batch.blob.row_numbers, batch.blob.items, strict=True
                )
            }
            if rows.keys() >= set(wanted):
                number = self._number(batch.job_id)
                return tuple(_tag(number, rows[item] - 1) for item in wanted)
        self.history.find("F", f"{items} are sent without a batch")
        return tuple(wanted)

    def _number(self, job_id: int) -> int:
        return next(number for number, job in self.jobs.items() if job.pk == job_id)

    # Live records

    def _look_at_live_jobs(self) -> None:
        self.hub.after(START_EVERY, self._look_at_live_jobs)
        self.live.look()
        running = {
            each.name.rpartition(" ")[0] for each in self.processes if each.is_running
        }
        for read in RecordRead.objects.filter(state=ReadState.READING):
            is_owned = Lease.objects.live().filter(name=f"records:{read.pk}").exists()
            if not is_owned and f"reader {read.pk}" not in running:
                self._start(f"reader {read.pk}", partial(self._read_records, read))
        for pk in RecordWatch.objects.values_list("pk", flat=True):
            if f"watcher {pk}" not in running:
                self._start(f"watcher {pk}", partial(self._watch_records, pk))

    def _read_records(self, read: RecordRead, process: Process) -> None:
        self._guard(process, partial(reader.run, read, stopping=process.stopping))

    def _watch_records(self, job_id: int, process: Process) -> None:
        self._guard(
            process,
            lambda: record_watch.read_page(
                job_id, stopping=process.stopping, timing=self.timing
            ),
        )

    # Files: their tasks, and the persons who wait for them

    def _discard(self, number: int, job: Job) -> None:
        with suppress(NotPossibleNow):  # Somebody else has just launched it.
            drafts.discard(job)
            self.jobs.pop(number, None)

    def _sweep(self) -> None:
        """Start the tasks that were lost with their process."""
        self.hub.after(SWEEP_EVERY, self._sweep)
        leases.shorten(self.timing.lease_ttl)
        if not self.plan.has_files and not self.plan.is_live:
            return
        for pk in Job.objects.filter(state=JobState.CHECKING).values_list(
            "pk", flat=True
        ):
            self._work("check_job", pk)
        launched = Job.objects.filter(state__in=[*MOVING, JobState.PAUSED])
        for pk in launched.filter(planned_at=None).values_list("pk", flat=True):
            self._work("plan_job", pk)
        for pk in RecordRead.objects.filter(state=ReadState.DIVIDING).values_list(
            "pk", flat=True
        ):
            self._work("divide_rows", pk)
        ended = Job.objects.filter(state__in=OVER, indexed_at=None)
        for pk in ended.values_list("pk", flat=True) if self.plan.is_live else ():
            self._work("index_job", pk)
        self._launch_checked()

    def _work(self, task: str, job_id: int) -> None:
        self._start(
            task, lambda process: self._guard(process, partial(self._run, task, job_id))
        )

    def _run(self, task: str, job_id: int) -> None:
        if self.plan.is_live:
            TASKS[task](job_id)
            self.tell(f"{task} {job_id} has run")
            return
        numbers = {job.pk: number for number, job in self.jobs.items()}
        number = numbers.get(job_id, 0)
        if number < len(self.plan.jobs):
            pending_rows.MAX_BATCH_SIZE = self.plan.jobs[number].batch_size
        versions = Job.objects.filter(pk=job_id).values_list("version", flat=True)
        before = versions.first()
        TASKS[task](job_id)
        if versions.first() != before:
            self.tell(f"{task} of job {number} has run")
        self._launch_checked()

    def _launch_checked(self) -> None:
        """Persons launch what is checked, and discard drafts that cannot be launched."""
        if self.plan.is_live:
            return
        for number, job in list(self.jobs.items()):
            try:
                job.refresh_from_db()
            except Job.DoesNotExist:
                continue  # Another person has discarded it in the meantime.
            if job.state not in {JobState.DRAFT, JobState.READY}:
                continue
            try:
                actions.launch(job, by=None)
                self.tell(f"a person launches job {number}")
            except NotPossibleNow as refusal:
                self.tell(f"a person discards job {number}: {refusal}")
                self._discard(number, job)

    def _at_edge(self, edge: failpoints.Edge) -> None:
        """A driver is about to begin or to commit a transaction, or has committed."""
        process = self.current_process()
        if process is None or self.is_closing:
            return
        if edge.name == "begin":
            _, what, argument = self.network.next_fault("begin", self.hub.now)
            self._note_edge(process, "begin", what)
            if what:
                self.tell(f"{process.name}: {what} before BEGIN")
            if what == "freeze":
                process.freeze(argument)
                process.sleep(0.0)
            elif what == "kill":
                self._kill(process)
        elif edge.name == "commit:before":
            _, what, _ = self.network.next_fault("commit", self.hub.now)
            self._note_edge(process, "commit", what)
            process.fault = what
            if what == "away":
                self.tell(f"{process.name}: a commit fails")
                raise OperationalError("simulated: the database is away")
            if what == "kill_before":
                self.tell(f"{process.name}: killed before a commit")
                self._kill(process)
        elif edge.name == "commit:after":
            self.history.commits.append(self.hub.now)
            what = process.fault
            if what == "unknown":
                self.tell(f"{process.name}: the answer to a commit is lost")
                raise OperationalError("simulated: the answer is lost")
            if what == "kill_after":
                self.tell(f"{process.name}: killed after a commit")
                self._kill(process)

    def _note_edge(self, process: Process, edge: str, what: str) -> None:
        if what:
            task = re.sub(r"[ \d]+$", "", process.name)
            self.history.happened[f"{task}, {edge}:{what}"] += 1

    def _kill(self, process: Process) -> None:
        """Called by the process itself, perhaps inside a transaction."""
        _close_cursors(sys._getframe())
        _reset_connection()
        process.kill()
        self.hub.park()

    def current_process(self) -> Process | None:
        current = getcurrent()
        for process in self.processes:
            if process.runs(current):
                return process
        return None

    # Events

    def _happen(self, what: str, which: str) -> None:
        living = [process for process in self.processes if process.is_running]
        account = self.history.accounts[0]
        match what:
            case "kill" if living:
                self.tell(f"{living[-1].name} is killed")
                living[-1].kill()
            case "freeze" if living and not self._is_sending(living[-1]):
                self.tell(f"{living[-1].name} is frozen for {which} s")
                living[-1].freeze(float(which))
            case "stop" if living:
                self.tell(f"{living[-1].name} is asked to stop")
                living[-1].stopping.set()
            case "pause" | "resume" | "cancel":
                self._act(what, int(which))
            case "stop_waiting":
                self._stop_waiting(int(which))
            case "check_again" | "resend" | "accept":
                self._decide(int(which), what)
            case "retry" | "continue":
                self._create_child(int(which), what)
            case "write":
                account.write(which, f"9{int(self.hub.now)}")
            case "colour" | "note":
                account.write(which, f"9{int(self.hub.now)}", what)
            case "vanish":
                account.delete(which)
            case "undo" | "undo_rows" | "undo_value" | "prove":
                self.live.ask(what, int(which))
            case "create" if account.by_key(which) is None:
                self.tell(f"another program creates {which}")
                account.add(which, f"9{int(self.hub.now)}")

    def _is_sending(self, process: Process) -> bool:
        """Whether it has checked its lease for a request that it has not sent yet. A process
        that is frozen there for minutes is beyond what the product can promise."""
        return any(
            request.sender is process
            for witness in self.witnesses.values()
            for request in witness.in_transit
        )

    def _act(self, what: str, number: int) -> None:
        job = self.jobs.get(number)
        if job is None:
            return
        job.refresh_from_db()
        with suppress(NotPossibleNow):
            getattr(actions, what)(job, by=None)
            self.history.happened[f"person:{what}"] += 1
            self.tell(f"a person asks to {what} job {number}")

    def _decide(self, number: int, decision: str) -> None:
        job = self.jobs.get(number)
        if job is None:
            return
        job.refresh_from_db()
        with suppress(NotPossibleNow):
            uncertain = [
                row.tag
                for row in _rows_of(number, job, self._account_of(job))
                if row.outcome == "uncertain"
            ]
            uncertain_rows.resolve(job, decision, by=None)
            self.history.happened[f"person:{decision}"] += 1
            self.tell(f"a person decides on job {number}: {decision}")
            if decision == "resend":
                self.history.resent_by_persons.update(uncertain)

    def _stop_waiting(self, number: int) -> None:
        job = self.jobs.get(number)
        if job is None:
            return
        job.refresh_from_db()
        with suppress(NotPossibleNow):
            uncertain_rows.stop_waiting(job, by=None)
            self.history.happened["person:stop_waiting"] += 1
            self.history.not_waited_for.add(number)
            self.tell(f"a person stops waiting for job {number}")

    def _create_child(self, number: int, what: str) -> None:
        """A person retries the failed rows of a job, or continues a cancelled one."""
        parent = self.jobs.get(number)
        if parent is None or not self.plan.has_files:
            return
        parent.refresh_from_db()
        create = {
            "retry": retries.create_retry,
            "continue": retries.create_continuation,
        }[what]
        with suppress(NotPossibleNow):
            child = create(parent, by=None)
            if child.pk in {job.pk for job in self.jobs.values()}:
                return
            self.history.happened[f"person:{what}"] += 1
            child_number = max(len(self.plan.jobs) - 1, *self.jobs) + 1
            self.jobs[child_number] = child
            self.tell(f"a person asks to {what} job {number}: job {child_number}")
            for job_ids in self.witnesses[parent.connection.host].job_ids.values():
                if parent.pk in job_ids:
                    job_ids.append(child.pk)

    def _persons(self) -> None:
        """After the faults persons answer what waits for them."""
        self.hub.after(PERSONS_ANSWER_EVERY, self._persons)
        for number, job in self.jobs.items():
            job.refresh_from_db()
            if job.state == JobState.PAUSED:
                self.tell(f"a person resumes job {number}: {job.reason}")
                actions.resume(job, by=None)
            elif job.state == JobState.NEEDS_DECISION:
                answers = self.plan.answers
                decision = answers[min(self._answered[number], len(answers) - 1)]
                self._answered[number] += 1
                self._decide(number, decision)
                self._ends_at = self.hub.now + BOUND
            elif not self._account_of(job).is_reachable:
                self._act("cancel", number)
                self._stop_waiting(number)
            elif self.hub.now == self.plan.faults_end and job.state not in OVER:
                self.history.late.append(number)

    # Clocks

    def _jump(self) -> None:
        self.database_ahead = self.plan.weather.database_ahead
        self.tell(f"the database's clock jumps by {self.database_ahead:.0f} s")

    def _jump_host(self) -> None:
        self.host_ahead = self.plan.weather.host_ahead
        for process in self.processes:
            process.wall_ahead = self.host_ahead
        self.tell(f"the hosts' clock jumps by {self.host_ahead:.0f} s")

    def _give_clock(self, database: object = None, **sent: object) -> None:
        database = sent.get("connection", database)
        database.connection.create_function("STRFTIME", 2, self._strftime)  # type: ignore[attr-defined]

    def _strftime(self, form: str, moment: str) -> str:
        assert (form, moment) == ("%Y-%m-%d %H:%M:%f", "NOW")
        now = EPOCH + timedelta(seconds=self.hub.now + self.database_ahead)
        return now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _is_even(key: str, by: int = 2) -> bool:
    return int(key[1:]) % by == 0


def _tag(job: int, row: int) -> str:
    return f"j{job}r{row}"


def _create_job(
    number: int,
    plan: JobPlan,
    items: list[Any],
    conn: Connection,
    account: Account,
) -> Job:
    """A job that is launched and planned."""
    file = File.objects.create(
        name="rows.csv", stored_as="none", size=1, sha256="0", state=FileState.READY
    )
    lines = [json.dumps(item) for item in items]
    starts = range(0, len(lines), plan.batch_size)
    job = Job.objects.create(
        code=UUID(int=number + 1),
        connection=conn,
        object_key=OBJECT,
        action=plan.action,
        file=file,
        state=JobState.QUEUED,
        rows=len(lines),
        batches_total=len(starts),
        planned_row=len(lines),
        planned_at=datetime(2026, 1, 1, tzinfo=EPOCH.tzinfo),
        stop_percent=None,
        stop_refusals=None,
        options=Options(
            keep_undo=plan.keep_undo,
            refuse_changed="strict" if plan.refuses_changes else "off",
        ).to_json(),
    )
    for seq, start in enumerate(starts, 1):
        group = lines[start : start + plan.batch_size]
        rows = list(range(start + 1, start + 1 + len(group)))
        batch = Batch.objects.create(
            job=job,
            seq=seq,
            size=len(group),
            first_row=rows[0],
            last_row=rows[-1],
            own_action=plan.action if plan.refuses_changes else "",
        )
        BatchBlob.objects.create(batch=batch, **BatchBlob.packed(group, rows))
        if plan.refuses_changes:
            compared = _compared(items[start : start + plan.batch_size], account)
            BatchImages.objects.create(batch=batch, images=images.packed(compared))
    record_order.save_keys(job, _hashed_keys(job))
    record_order.record_overlaps(job)
    return job


def _compared(items: Sequence[Any], account: Account) -> dict[int, Image | None]:
    """What a comparison finds now of the records that these items update."""
    found: dict[int, Image | None] = {}
    for index, item in enumerate(items):
        record = account.records.get(str(item["id"]))
        if record is not None and record.is_there:
            values = record.versions[-1].values or {}
            old = {f"{FIELDS}.{name}": value for name, value in values.items()}
            found[index] = Image(record.id, "", "", old)
    return found


def _hashed_keys(job: Job) -> list[HashedKeys]:
    """The keys of the job's records, as its check would store them."""
    target = Action(job.action).key_of_records
    keys = []
    for batch in job.batches.select_related("blob"):
        for row, item in zip(batch.blob.row_numbers, batch.blob.items, strict=True):
            value = item if isinstance(item, str) else item.get(target)
            if value:
                [hashed] = hashes_of(target, pa.array([value], pa.string())).to_pylist()
                keys.append((hashed, row))
    parts = batched(sorted(keys), KEYS_PER_PART)
    return [([key for key, _ in part], [row for _, row in part]) for part in parts]


def _item(number: int, row: int, plan: JobPlan, account: Account) -> Any:
    key, value = plan.rows[row]
    tag = _tag(number, row)
    if plan.action == Action.DELETE_BY_EXTERNAL_ID:
        account.tags_of_deletes[key] = tag
        return key
    item: dict[str, object] = {
        "name": f"Name {key}",
        "custom_object_fields": {"tag": tag, "value": value},
    }
    if plan.action == Action.UPDATE:
        record = account.by_key(key)
        item["id"] = record.id if record else f"R{0:025d}"
    elif plan.has_ids:
        item["external_id"] = key
    return item


def _add_records(account: Account, jobs: Sequence[JobPlan]) -> None:
    """Records that are there before: of half of the keys, and of all keys that are updated
    or deleted."""
    keys: dict[str, bool] = {}
    if any(job.matches for job in jobs):
        keys = dict.fromkeys(ONLY_IN_ACCOUNT, True)
    for job in jobs:
        for key, _ in job.rows:
            needed = job.action in {"update", "delete_by_external_id"}
            keys[key] = keys.get(key, False) or needed or _is_even(key)
    creates = {key for job in jobs if job.action == "create" for key, _ in job.rows}
    for key in sorted(keys):
        if keys[key] and (key not in creates or _is_even(key, 4)):
            record = account.add(key, "0")
            if any(job.columns for job in jobs):
                values = {"value": "100", "colour": "red", "note": ""}
                record.versions[0] = replace(record.versions[0], values=values)
            version = record.versions[0]
            record.created_at = -86_400.0
            record.versions[0] = replace(version, at=-86_400.0)


def _rows_of(number: int, job: Job, account: Account) -> list[Row]:
    rows = []
    for batch in Batch.objects.filter(job=job).select_related("blob").order_by("seq"):
        batch.job = job
        attempts = list(batch.attempts.values_list("result", flat=True))
        unconfirmed = sum(each in {"unconfirmed", "lost"} for each in attempts)
        began = batch.attempts.order_by("number").values_list("at", flat=True)
        sent_at = tuple((at - EPOCH).total_seconds() for at in began)
        kept = BatchImages.objects.filter(batch=batch).first()
        before = images.unpacked(kept.images) if kept else {}
        done_at = (batch.done_at - EPOCH).total_seconds() if batch.done_at else 0.0
        together = zip(
            batch.blob.row_numbers,
            batch.blob.items,
            batch.blob.row_results,
            strict=True,
        )
        for index, (row_number, item, result) in enumerate(together):
            outcome = result.outcome if result else ""
            if not outcome and batch.state == "cancelled":
                outcome = "cancelled"
            is_key = isinstance(item, str)
            sent = {} if is_key else item or {}
            rows.append(
                Row(
                    tag=account.tag(item) or _tag(number, row_number - 1),
                    job=number,
                    host=account.host,
                    action=job.action,
                    key=item if is_key else str(sent.get("external_id", "")),
                    value=sent.get("custom_object_fields", {}).get("value", ""),
                    outcome=str(outcome or "pending"),
                    record_id=result.record_id if result else "",
                    code=result.code if result else "",
                    unconfirmed_attempts=unconfirmed,
                    attempts=len(attempts),
                    sent_id=str(sent.get("id", "")),
                    sent_at=sent_at,
                    is_read_before=prior_reads.is_needed(job, batch),
                    before=_values(before[index]) if index in before else None,
                    number=row_number,
                    item=item,
                    own_action=batch.own_action,
                    done_at=done_at,
                )
            )
    return rows


def _values(image: Image) -> dict[str, object]:
    return {name.removeprefix(f"{FIELDS}."): old for name, old in image.old.items()}


def _close_cursors(frame: FrameType | None) -> None:
    """Close what a killed process reads at the moment. Its frames stay, and SQLite commits
    nothing on a connection with a statement in progress."""
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, CursorWrapper):
                value.close()
        frame = frame.f_back


def _reset_connection() -> None:
    """Forget the transaction that a killed process had open."""
    if connection.connection is not None and connection.connection.in_transaction:
        connection.connection.rollback()
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.atomic_blocks = []
    connection.run_on_commit = []
    connection.needs_rollback = False
    connection.closed_in_transaction = False
    connection.autocommit = True
    connection.commit_on_exit = True
