"""What the pages say about a comparison with the account."""

from dataclasses import dataclass
from urllib.parse import urlencode

from jobsui.jobs.enums import Action, ReadState, Verdict
from jobsui.jobs.live import deletions, planned_rows
from jobsui.jobs.live.planned_rows import PlannedRows
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.reports import compared_rows, record_values
from jobsui.jobs.reports.compared_rows import DIFFERING, Wanted
from jobsui.text import counted
from jobsui.web import record_reads, shown_values
from jobsui.web.shown_values import GridRow

COMPARE = "Compare"
COMPARE_AGAIN = "Compare again"
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
"""The text under the number of rows with a verdict."""
ONLY_IN_ACCOUNT = "only in the account"
GONE = "already gone, not sent"
"""The same for keys that a delete does not find."""
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
    """The verdict in the address of the page."""
    label: str
    meaning: str
    rows: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ReviewNote:
    """What the Review step says about the comparison of a draft."""

    text: str
    action: str
    """The text of the link to the Compare step."""
    read: RecordRead | None = None
    """A finished comparison with the present rows."""
    age: float = 0.0
    """Of `read`, in seconds."""

    @property
    def is_warning(self) -> bool:
        return self.read is None


class Grid:
    """The rows of a comparison that the address of the page chooses."""

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
        """The query of the address, without the position in the list."""
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
        return [
            shown_values.grid_row(row, self._labels) for row in page.entries
        ], page.older


def announcement(read: RecordRead | None) -> str:
    """For screen readers, once a comparison has ended."""
    if read is None or read.is_open:
        return ""
    if read.state == ReadState.DONE:
        return sentence(planned_rows.of(read), read.job)
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
    """`is_current`: whether the latest comparison is with the present rows. `obstacle`: why the
    job cannot be launched with it; "" if it can."""
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
    plan = planned_rows.of(latest)
    text = f"{sentence(plan, job)}."
    return ReviewNote(
        text, "See what changes", latest, record_reads.age_seconds(latest)
    )


@dataclass(frozen=True, slots=True)
class Differences:
    """How many records differ between a file and the account, by kind."""

    only_in_file: int
    different: int
    only_in_account: int
    """Records that can be deleted and are not left out."""
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
    """Explanations of the verdicts that are not clear by themselves."""
    found = [verdict for verdict in EXPLANATIONS if read.counts.get(_code(verdict))]
    deletes = Action(read.job.action).deletes
    return [
        ALREADY_GONE
        if deletes and verdict is Verdict.MISSING
        else EXPLANATIONS[verdict]
        for verdict in found
    ]


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


def _shown_verdicts(read: RecordRead) -> list[Verdict]:
    """The verdicts that the action can have. Rare ones only if rows have them."""
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
