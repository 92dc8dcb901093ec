"""Jobs whose rows are compared with live records, proved and undone: what persons ask for,
and what the product has read then."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from jobsui.connections.models import Connection
from jobsui.jobs.control import actions, comparisons, drafts, proofs, undo
from jobsui.jobs.enums import (
    OVER,
    Action,
    JobState,
    Landing,
    ParentRows,
    Purpose,
    ReadState,
    Verdict,
)
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import reasons
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.mapping.options import Match
from jobsui.jobs.models import AccountListing, Job, ReadPage, RecordRead
from jobsui.jobs.models.batch import unpack, unpack_rows
from jobsui.jobs.preparation import checker
from tests.factories import make_job
from tests.sim.account import Account
from tests.sim.hub import EPOCH, Hub
from tests.sim.plan import FIRST_ROW, JobPlan

if TYPE_CHECKING:
    from tests.sim.history import History

MAX_TRIES = 100
"""How often a person asks for something that is not possible yet."""
MAX_READS = 5
"""How often a person has records read again after a read that failed."""
VALUE = "custom_object_fields.value"
UNKNOWN_ID = f"R{0:025d}"
EVERYTHING = Match(only_in_account="delete", max_percent=100.0)


@dataclass(frozen=True)
class ReadRow:
    """What the product has found of one row."""

    number: int
    verdict: str
    """The name of its Verdict or Landing."""
    record_id: str
    read_at: float
    reasons: str


@dataclass(frozen=True)
class Read:
    pk: int
    job: int
    """The number of its job."""
    purpose: str
    counts: Mapping[str, int]
    rows: tuple[ReadRow, ...]
    began_at: float
    is_listed: bool = False
    """Whether the records of the account were listed, and those that changed meanwhile."""

    @property
    def process(self) -> str:
        """How the names of the processes begin that have read."""
        return f"reader {self.pk} "


@dataclass(frozen=True)
class Undone:
    """What an undo is to put back."""

    parent: int
    """The number of the job that is undone."""
    rows: tuple[int, ...] | None = None
    """None: all."""
    fields: tuple[str, ...] | None = None
    """The names of the values; None: all."""


@dataclass
class Wish:
    what: str
    number: int
    """Of the job."""
    tries: int = 0


class LiveJobs:
    """`jobs`: by number; undos are added behind the others."""

    def __init__(
        self,
        hub: Hub,
        history: "History",
        jobs: dict[int, Job],
        tell: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._history = history
        self._plans = history.plan.jobs
        self._jobs = jobs
        self._tell = tell
        self._wishes: list[Wish] = []
        self._refused = Counter[int]()
        """{number of a job: how often its launch was refused, or a read of it failed}."""

    def upload(self, number: int, connection: Connection, account: Account) -> None:
        plan = self._plans[number]
        [custom_object] = connection.objects_known.all()
        job = make_job(
            _content(plan, account),
            Action(plan.action),
            to=custom_object,
            keep_undo=plan.keep_undo,
            refuse_changed=_refuse_changed(plan),
            match=EVERYTHING if plan.matches else None,
        )
        checker.start(job, by=None)
        self._jobs[number] = job
        rows = " ".join("=".join(row) for row in plan.rows)
        self._tell(f"job {number} is checked: {plan.action} {rows}")

    def ask(self, what: str, number: int) -> None:
        """A person wants to have a job undone or proved, as soon as it is over."""
        self._wishes.append(Wish(what, number))

    @property
    def is_open(self) -> bool:
        states = (ReadState.DIVIDING, ReadState.READING)
        return (
            bool(self._wishes) or RecordRead.objects.filter(state__in=states).exists()
        )

    def look(self) -> None:
        """Persons do what is possible now."""
        self._wishes = [wish for wish in self._wishes if not self._is_settled(wish)]
        for number, job in list(self._jobs.items()):
            job.refresh_from_db()
            if job.state == JobState.DRAFT:
                self._history.find("C", f"job {number} is a draft again: {job.reason}")
                self._discard(number, job, job.reason)
            elif job.state == JobState.READY:
                self._advance(number, job)
                if not Job.objects.drafts().filter(pk=job.pk).exists():
                    # No two jobs are launched at the same moment.
                    return

    # Wishes

    def _is_settled(self, wish: Wish) -> bool:
        """Whether it is fulfilled or given up."""
        wish.tries += 1
        job = self._jobs.get(wish.number)
        if wish.tries > MAX_TRIES:
            return True
        if job is None:
            return False
        job.refresh_from_db()
        if job.state not in OVER:
            return False
        try:
            if wish.what == "prove":
                proofs.start(job, by=None)
            else:
                self._undo(wish, job)
        except NotPossibleNow as refusal:
            self._tell(f"no {wish.what} of job {wish.number}: {refusal}")
            return not job.succeeded
        self._history.happened[f"person:{wish.what}"] += 1
        self._tell(f"a person asks for {wish.what} of job {wish.number}")
        return True

    def _undo(self, wish: Wish, job: Job) -> None:
        undone = Undone(
            wish.number,
            tuple(range(FIRST_ROW, FIRST_ROW + job.rows, 2))
            if wish.what == "undo_rows"
            else None,
            (VALUE,) if wish.what == "undo_value" else None,
        )
        rows = RowRanges.of(undone.rows) if undone.rows is not None else None
        created = undo.create(job, by=None, rows=rows, fields=undone.fields)
        number = max(len(self._plans) - 1, *self._jobs) + 1
        self._jobs[number] = created
        self._history.undone[number] = undone

    # Drafts

    def _advance(self, number: int, job: Job) -> None:
        """Compare a checked job, or launch it."""
        is_undo = job.parent_rows == ParentRows.UNDONE
        plan = None if is_undo else self._plans[number]
        read = undo.current(job) if is_undo else comparisons.current(job)
        if plan is not None and not plan.compares:
            self._launch(number, job)
        elif read is not None and read.is_open:
            return
        elif read is not None and read.state == ReadState.DONE:
            self._leave_out(read, plan)
            self._launch(number, job)
        elif self._is_patient(number):
            if read is not None:
                self._tell(f"the records of job {number} are read again: {read.reason}")
            self._read(job)
        elif is_undo:
            self._discard(number, job, "its records cannot be read")
        else:
            comparisons.skip(job, by=None)
            self._launch(number, job)

    def _is_patient(self, number: int) -> bool:
        self._refused[number] += 1
        return self._refused[number] <= MAX_READS

    def _read(self, job: Job) -> None:
        if job.parent_rows == ParentRows.UNDONE:
            undo.read_again(job, by=None)
        else:
            comparisons.start(job, by=None)

    def _leave_out(self, read: RecordRead, plan: JobPlan | None) -> None:
        if plan is not None and plan.left_out:
            comparisons.leave_out(read, plan.left_out, is_left_out=True, by=None)

    def _launch(self, number: int, job: Job) -> None:
        try:
            actions.launch(job, by=None)
        except NotPossibleNow as refusal:
            self._refused[number] += 1
            self._tell(f"job {number} cannot be launched: {refusal}")
            if self._refused[number] > MAX_TRIES or not job.to_send:
                self._discard(number, job, str(refusal))
            elif _is_outdated(job):
                self._read(job)
        else:
            self._tell(f"a person launches job {number}")

    def _discard(self, number: int, job: Job, reason: str) -> None:
        self._tell(f"a person discards job {number}: {reason}")
        drafts.discard(job)
        del self._jobs[number]

    # The end

    def conclude(self) -> None:
        numbers = {job.pk: number for number, job in self._jobs.items()}
        for read in RecordRead.objects.filter(state=ReadState.DONE).order_by("pk"):
            self._history.reads.append(_read_of(read, numbers[read.job_id]))


def _content(plan: JobPlan, account: Account) -> str:
    """Its file."""
    text = io.StringIO()
    writer = csv.writer(text)
    if plan.action == Action.DELETE_BY_EXTERNAL_ID:
        writer.writerow(["external_id"])
        writer.writerows([[key] for key, _ in plan.rows])
        return text.getvalue()
    is_update = plan.action == Action.UPDATE
    writer.writerow(["id" if is_update else "external_id", "name", *plan.columns])
    for number in plan.numbers:
        key = plan.key(number)
        record = account.by_key(key) if is_update else None
        first = record.id if record else (UNKNOWN_ID if is_update else key)
        writer.writerow([first, f"Name {key}", *plan.values(number).values()])
    return text.getvalue()


def _refuse_changed(plan: JobPlan) -> str:
    if plan.watches:
        return "watched"
    return "strict" if plan.refuses_changes else "off"


def _is_outdated(job: Job) -> bool:
    if job.parent_rows == ParentRows.UNDONE:
        plan = undo.current(job)
        return plan is not None and undo.is_outdated(plan)
    read = comparisons.finished(job)
    return read is not None and comparisons.is_outdated(read)


def _read_of(read: RecordRead, number: int) -> Read:
    listing = AccountListing.objects.filter(read=read).first()
    pages = read.pages.order_by("seq").select_related("blob")
    codes = Landing if read.purpose == Purpose.PROVE else Verdict
    return Read(
        read.pk,
        number,
        read.purpose,
        read.counts,
        tuple(row for page in pages for row in _rows_of(page, codes)),
        _seconds(read.created_at),
        is_listed=listing is not None and not listing.not_caught_up,
    )


def _rows_of(page: ReadPage, codes: type[Landing] | type[Verdict]) -> list[ReadRow]:
    blob = page.blob
    found = reasons.unpacked(blob.notes)
    ids = json.loads(unpack(blob.record_ids))
    together = zip(unpack_rows(blob.rows), bytes(blob.verdicts), ids, strict=True)
    assert page.read_at
    return [
        ReadRow(
            number,
            codes(code).name,
            record_id,
            _seconds(page.read_at),
            reasons.sentences(found.get(index, ())),
        )
        for index, (number, code, record_id) in enumerate(together)
    ]


def _seconds(moment: datetime) -> float:
    return (moment - EPOCH).total_seconds()
