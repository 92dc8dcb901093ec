"""What the pages say about a comparison with the account."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone

from jobsui.jobs.enums import Action, ReadState, Verdict
from jobsui.jobs.live import deletions, name_list
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.reports import compared_rows, record_values
from jobsui.jobs.reports.compared_rows import (
    DIFFERING,
    ComparedRow,
    PlannedRows,
    Wanted,
)
from jobsui.jobs.reports.record_values import ComparedValue, Labels
from jobsui.text import counted

COMPARE = "Compare"
COMPARE_AGAIN = "Compare again"
MAX_VALUES = 8
"""Of a row. The others are counted."""
MAX_TEXT = 120
"""Characters of a value."""
CONTEXT = 30
"""Characters that a shortened text keeps before its first difference."""
MIN_SECONDS = 2.0
"""After this long the time left can be estimated."""
MEANINGS = {
    Verdict.CHANGE: "to change",
    Verdict.CREATE: "to create",
    Verdict.DELETE: "to delete",
    Verdict.SAME: "the same, not sent",
    Verdict.MISSING: "key not found, not sent",
    Verdict.AMBIGUOUS: "several records, not sent",
    Verdict.UNKNOWN: "unknown, sent",
    Verdict.KEPT: "only in the account, kept",
    Verdict.WITHOUT_KEY: "without external ID, kept",
    Verdict.GONE: "deleted meanwhile",
}
"""What stands under the number of rows with a verdict."""
ONLY_IN_ACCOUNT = "only in the account"
GONE = "already gone, not sent"
"""As MEANINGS, for keys that a delete does not find."""
EXPLANATIONS = {
    Verdict.MISSING: (
        "Key not found: no record has the key of these rows, or this connection is not "
        "allowed to see it. They are not sent and fail."
    ),
    Verdict.AMBIGUOUS: (
        "Several records: more than one record has the key of these rows. They are not "
        "sent and fail."
    ),
    Verdict.UNKNOWN: (
        "Unknown: only a search can find these keys, and it has found no record. A search "
        "can miss new records, so these rows are sent as they are."
    ),
}
ALREADY_GONE = (
    "Already gone: no record has the key of these rows, or this connection is not allowed "
    "to see it. They are not sent and count as unchanged."
)


@dataclass(frozen=True, slots=True)
class VerdictCount:
    code: str
    """In the address of the page."""
    label: str
    meaning: str
    rows: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ReviewNote:
    """What the review says about the comparison of a draft."""

    text: str
    action: str
    """What the link to the step says."""
    read: RecordRead | None = None
    """A finished comparison with the present rows."""
    age: float = 0.0
    """Of `read`, in seconds."""

    @property
    def is_warning(self) -> bool:
        return self.read is None


@dataclass(frozen=True, slots=True)
class GridRow:
    row: ComparedRow
    values: Sequence[tuple[str, ComparedValue]]
    """(label of the field, value)."""
    hidden: int
    """How many values are not shown."""


class Grid:
    """The rows of a comparison that an address asks for."""

    def __init__(self, read: RecordRead, verdict: str, field: str) -> None:
        codes = {_code(each): each for each in Verdict}
        self._read = read
        self._labels = record_values.labels_of(read.job)
        self.field = field if field in read.changed_cells else ""
        self.verdict = codes.get(verdict)
        self.fields = record_values.changed_fields(read, self._labels)

    @property
    def is_narrowed(self) -> bool:
        return self.verdict is not None or bool(self.field)

    @property
    def field_label(self) -> str:
        return self._labels.of(self.field) if self.field else ""

    @property
    def query(self) -> str:
        """Of the address, without the page."""
        chosen = _code(self.verdict) if self.verdict else ""
        parts = {"verdict": chosen, "field": self.field}
        return urlencode({name: value for name, value in parts.items() if value})

    @property
    def verdicts(self) -> list[VerdictCount]:
        return [
            VerdictCount(
                code=_code(verdict),
                label=_label(verdict, self._read.job),
                meaning=_meaning(verdict, self._read.job),
                rows=self._read.counts.get(_code(verdict), 0),
                address=f"?{urlencode({'verdict': _code(verdict)})}#rows",
                is_chosen=verdict is self.verdict,
            )
            for verdict in _shown_verdicts(self._read)
        ]

    def page(self, after: int) -> tuple[list[GridRow], str]:
        """The rows, and the cursor of the next page."""
        chosen = frozenset([self.verdict]) if self.verdict else DIFFERING
        if self.field:
            chosen &= {Verdict.CHANGE}
        if not any(self._read.counts.get(_code(verdict)) for verdict in chosen):
            return [], ""
        wanted = Wanted(chosen, self.field)
        page = compared_rows.page(self._read, wanted, after=after)
        return [grid_row(row, self._labels) for row in page.entries], page.older


def progress(read: RecordRead) -> dict[str, Any]:
    """Of an open comparison."""
    is_reading = read.state == ReadState.READING
    is_listing = is_reading and name_list.is_open(read)
    return {
        "is_listing": is_listing,
        "pages": read.pages_total if is_reading and not is_listing else None,
        "seconds_left": _seconds_left(read),
    }


def version(read: RecordRead | None) -> str:
    """Changes when the live section has something new to show."""
    return f"{read.pk}-{read.version}" if read else ""


def announcement(read: RecordRead | None) -> str:
    """For screen readers, once a comparison has ended."""
    if read is None or read.is_open:
        return ""
    if read.state == ReadState.DONE:
        return sentence(compared_rows.planned_rows(read), read.job)
    return f"Not compared. {read.reason}".strip()


def sentence(plan: PlannedRows, job: Job) -> str:
    """What launching a compared job sends."""
    sent = (
        (plan.changes, "change"),
        (plan.creates, "new record"),
        (plan.deletes, "deletion"),
        (plan.unknown, "unknown row"),
    )
    parts = [counted(rows, thing) for rows, thing in sent if rows]
    first = [", ".join(parts)] if parts else []
    reasons = "; ".join([*first, *_not_sent(plan, job)])
    number = f"{plan.sent:,}" if plan.sent else "none"
    text = f"Sends {number} of {counted(plan.rows, 'row')}: {reasons}"
    if plan.records:
        records = counted(plan.records, "record")
        text += f". Deletes {records} that only the account has"
    return text


def on_review(
    job: Job, latest: RecordRead | None, *, is_current: bool, obstacle: str
) -> ReviewNote:
    """`is_current`: the latest comparison is with
    the present rows. `obstacle`: why the job cannot be launched with it; "" if it can."""
    if latest is None:
        text = obstacle or "Not compared with Zendesk: all rows are sent."
        return ReviewNote(text, COMPARE)
    if obstacle:
        return ReviewNote(obstacle, "Go to the comparison")
    if not is_current:
        text = "The rows have changed since they were compared: all rows are sent."
        return ReviewNote(text, COMPARE_AGAIN)
    if latest.state != ReadState.DONE:
        state = "was cancelled" if not latest.reason else "failed"
        text = f"The comparison with Zendesk {state}: all rows are sent."
        return ReviewNote(text, COMPARE_AGAIN)
    plan = compared_rows.planned_rows(latest)
    text = f"{sentence(plan, job)}."
    return ReviewNote(text, "See what changes", latest, age_seconds(latest))


@dataclass(frozen=True, slots=True)
class Differences:
    """Between a file and the account, by kind."""

    only_in_file: int
    different: int
    only_in_account: int
    """Those that can be deleted, without those that are left out."""
    left_out: int
    kept: int
    without_key: int
    listed: int
    """All records of the account."""
    not_caught_up: str


def differences(read: RecordRead) -> Differences | None:
    """None: the records of the account were not listed."""
    found = deletions.found_by(read)
    if found is None:
        return None
    counts = read.counts
    return Differences(
        only_in_file=counts.get("create", 0) + counts.get("unknown", 0),
        different=counts.get("change", 0),
        only_in_account=found.deletable,
        left_out=found.left_out,
        kept=found.kept,
        without_key=found.without_key,
        listed=found.listed,
        not_caught_up=found.not_caught_up,
    )


def explanations(read: RecordRead) -> list[str]:
    """What the verdicts mean that need it."""
    found = [verdict for verdict in EXPLANATIONS if read.counts.get(_code(verdict))]
    deletes = Action(read.job.action).deletes
    return [
        ALREADY_GONE
        if deletes and verdict is Verdict.MISSING
        else EXPLANATIONS[verdict]
        for verdict in found
    ]


def age_seconds(read: RecordRead) -> float:
    """Since the first record of a finished comparison was read."""
    since = read.started_at or read.finished_at or read.created_at
    return max(0.0, (timezone.now() - since).total_seconds())


def _not_sent(plan: PlannedRows, job: Job) -> list[str]:
    deletes = Action(job.action).deletes
    gone = "already gone" if deletes else "without a record"
    found = (
        (plan.same, "as in the file already"),
        (plan.missing, gone),
        (plan.ambiguous, "with a key of several records"),
        (plan.left_out, "left out"),
        (plan.left_alone, "left alone"),
    )
    return [
        f"{rows:,} {'is' if rows == 1 else 'are'} {state}"
        for rows, state in found
        if rows
    ]


def _seconds_left(read: RecordRead) -> float | None:
    """None while it is unknown."""
    if read.state != ReadState.READING or not read.started_at or not read.pages_read:
        return None
    if read.is_listed:
        # It began with another kind of requests.
        return None
    elapsed = (timezone.now() - read.started_at).total_seconds()
    if elapsed < MIN_SECONDS:
        return None
    return elapsed / read.pages_read * (read.pages_total - read.pages_read)


def _shown_verdicts(read: RecordRead) -> list[Verdict]:
    """Those that the action can have; the rare ones only where there are some."""
    action = Action(read.job.action)
    if action.deletes:
        usual = [Verdict.DELETE, Verdict.MISSING]
    elif action.is_upsert:
        usual = [Verdict.CHANGE, Verdict.CREATE, Verdict.SAME]
    else:
        usual = [Verdict.CHANGE, Verdict.SAME, Verdict.MISSING]
    rare = [each for each in Verdict if read.counts.get(_code(each))]
    return list(dict.fromkeys([*usual, *rare]))


def _meaning(verdict: Verdict, job: Job) -> str:
    deletes = Action(job.action).deletes
    if verdict is Verdict.DELETE and not deletes:
        return ONLY_IN_ACCOUNT
    is_gone = deletes and verdict is Verdict.MISSING
    return GONE if is_gone else MEANINGS[verdict]


def _label(verdict: Verdict, job: Job) -> str:
    if verdict is Verdict.DELETE and not Action(job.action).deletes:
        return ONLY_IN_ACCOUNT.capitalize()
    return str(verdict.label)


def _code(verdict: Verdict) -> str:
    return verdict.name.lower()


def grid_row(row: ComparedRow, labels: Labels) -> GridRow:
    shown, hidden = shown_values(row.values, labels)
    return GridRow(row, shown, hidden)


def shown_values(
    values: Sequence[ComparedValue], labels: Labels
) -> tuple[list[tuple[str, ComparedValue]], int]:
    """The first ones with their labels, and how many others there are."""
    shown = [
        (labels.of(value.name), _shortened(value)) for value in values[:MAX_VALUES]
    ]
    return shown, len(values) - len(shown)


def _shortened(value: ComparedValue) -> ComparedValue:
    """Both texts from just before their first difference, if they are long."""
    longest = max(len(value.old), len(value.new))
    if longest <= MAX_TEXT:
        return value
    same = itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(value.old, value.new, strict=False)
    )
    common = sum(1 for _ in same)
    start = max(0, common - CONTEXT)
    return ComparedValue(value.name, _cut(value.old, start), _cut(value.new, start))


def _cut(text: str, start: int) -> str:
    if len(text) <= MAX_TEXT and not start:
        return text
    shown = text[start : start + MAX_TEXT]
    before = "…" if start and shown else ""
    after = "…" if start + MAX_TEXT < len(text) else ""
    return f"{before}{shown}{after}"
