"""What the steps of the wizard say about a draft."""

from dataclasses import dataclass, field

from jobsui.jobs.enums import Action, FileState, JobState
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import file_formats
from jobsui.jobs.reports.job_details import Preview
from jobsui.text import counted

ACTION_HELP = {
    Action.CREATE: "Creates a record from each row.",
    Action.UPDATE: "Updates the record with the Zendesk ID in the row.",
    Action.UPSERT_BY_EXTERNAL_ID: (
        "Updates the record with the external ID in the row, or creates it. Safe to run again."
    ),
    Action.UPSERT_BY_NAME: (
        "Updates the record with the name in the row, or creates it. Needs unique names."
    ),
    Action.DELETE: "Deletes the record with the Zendesk ID in the row.",
    Action.DELETE_BY_EXTERNAL_ID: "Deletes the record with the external ID in the row.",
}
SUMMARIES = {
    Action.CREATE: "Create {records}",
    Action.UPDATE: "Update {records}, matched by Zendesk ID",
    Action.UPSERT_BY_EXTERNAL_ID: "Create or update {records}, matched by External ID",
    Action.UPSERT_BY_NAME: "Create or update {records}, matched by Name",
    Action.DELETE: "Delete {records}, matched by Zendesk ID",
    Action.DELETE_BY_EXTERNAL_ID: "Delete {records}, matched by External ID",
}


@dataclass(frozen=True, slots=True)
class PreviewCell:
    text: str
    kind: str = ""
    """What the text alone does not say: "null". "" for a text."""

    @property
    def kind_label(self) -> str:
        return KIND_LABELS[self.kind]


@dataclass(frozen=True, slots=True)
class PreviewRow:
    number: int
    cells: list[PreviewCell] = field(default_factory=list)
    text: str = ""
    """Of a row that cannot be read."""
    reason: str = ""
    fix: str = ""


KIND_LABELS = {
    "null": "null",
    "absent": "missing",
    "no_result": "no result",
    "error": "error",
    "nested": "JSON",
}
MAX_PREVIEW_COLUMNS = 100
LAST = (
    "Records that only the account has are deleted last. Each is read right before, and kept if "
    "it has changed since the comparison. Undoing the job creates them again with new IDs"
)
TRIGGERS = "Object triggers in Zendesk may run for these records"
"""Assumed (docs/zendesk.md)."""


@dataclass(frozen=True, slots=True)
class FilePreview:
    columns: list[str]
    more_columns: int
    """How many are not shown."""
    rows: list[PreviewRow]

    @property
    def width(self) -> int:
        """Of a cell that spans all columns."""
        return len(self.columns) + bool(self.more_columns)


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to know before launch."""

    icon: str
    text: str
    is_warning: bool = False


def reads(job: Job, preview: Preview) -> dict[str, str]:
    """What can be read right before each batch, and what it costs, for the LaunchForm."""
    if not Action(job.action).key or not preview.sent:
        return {}
    batches = f"{counted(preview.batches, 'more request')}"
    if preview.is_compared:
        return {
            "off": "Send them",
            "watched": "Do not send them: watch for changes while the job is sent. About two "
            "more requests a minute, and one for each batch with a record that has changed. "
            "What changes in the last 2 minutes before a batch is sent is not seen.",
            "strict": "Do not send them: read the records of each batch again right before it "
            f"is sent. About {batches}. What changes in the 3 to 10 seconds between the read "
            "and the write is not seen.",
        }
    if Action(job.action).key == "name":
        requests = counted(preview.sent, "more request")
        return {
            "keep_undo": "Reads the records of each batch right before it is sent. Names can "
            f"only be searched for one by one: about {requests}."
        }
    return {
        "keep_undo": f"Reads the records of each batch right before it is sent: {batches}."
    }


def file_preview(file: File) -> FilePreview:
    """The first rows of a file, and the first ones that cannot be read."""
    columns: list[str] = file.columns[:MAX_PREVIEW_COLUMNS]
    rows = [
        PreviewRow(number, _preview_cells(file, number, cells[: len(columns)]))
        for number, cells in file.sample
    ]
    for odd in file.odd_rows:
        text = ", ".join(odd["cells"])
        rows.append(
            PreviewRow(odd["row"], text=text, reason=odd["reason"], fix=odd["fix"])
        )
    rows.sort(key=lambda row: row.number)
    return FilePreview(columns, len(file.columns) - len(columns), rows)


def _preview_cells(file: File, number: int, cells: list[str]) -> list[PreviewCell]:
    kinds: dict[str, str] = file.sample_kinds.get(str(number), {})
    return [
        PreviewCell(text, kinds.get(str(index), "")) for index, text in enumerate(cells)
    ]


@dataclass(frozen=True, slots=True)
class EncodingProposal:
    """An encoding that a file may have."""

    name: str
    label: str
    """ "Windows-1252"."""
    region: str
    """ "Western Europe"; "" for none."""
    texts: list[tuple[int, str]]
    """(row, cell as it would read)."""


def encoding_proposals(file: File) -> list[EncodingProposal]:
    """The best first."""
    return [
        EncodingProposal(
            name=proposal["encoding"],
            label=file_formats.encoding_label(proposal["encoding"]),
            region=file_formats.encoding_region(proposal["encoding"]),
            texts=list(zip(proposal["rows"], proposal["texts"], strict=True)),
        )
        for proposal in file.proposals
    ]


UNREAD = f"{FileState.READING}-0"
"""The version of a file no row of which has been read."""


AUTOMATIC = "-automatic"
"""What the version of a file ends with while its draft advances without a person."""


def file_version(file: File) -> str:
    """What a page compares to find out whether there is more to see."""
    return f"{file.state}-{file.rows_read}"


def draft_version(job: Job) -> str:
    """As `file_version`, of a draft's file."""
    version = file_version(job.file)
    return f"{version}{AUTOMATIC}" if is_automatic(job) else version


def is_automatic(job: Job) -> bool:
    """Whether a draft is mapped and checked without a person once its file is read."""
    return job.state == JobState.DRAFT and bool(job.auto_target)


def file_announcement(file: File) -> str:
    """For screen readers, once the file has been read."""
    if file.state == FileState.READING:
        return ""
    if file.state == FileState.READY:
        return f"The file has {counted(file.rows or 0, 'row')}."
    if file.proposals:
        return "Choose the encoding of the file."
    if file.state == FileState.REJECTED:
        return "The file cannot be read."
    return ""


def check_announcement(job: Job) -> str:
    """For screen readers, once the check has finished."""
    if job.state == JobState.READY:
        rows = counted(job.rows, "row")
        warned = f" With warnings: {job.rows_warned:,}." if job.rows_warned else ""
        return f"Checked {rows}. Invalid: {job.rows_invalid:,}.{warned}"
    if job.state == JobState.DRAFT:
        return "Not checked."
    return ""


def summary(job: Job, preview: Preview) -> str:
    """What launching the draft does, such as "Create 215 asset records"."""
    thing = f"{job.object_key} record"
    changed = SUMMARIES[Action(job.action)].format(records=counted(preview.sent, thing))
    if not preview.sent and not preview.deletes:
        return f"Change no {thing}"
    if Action(job.action).deletes or not preview.deletes:
        return changed
    others = f"{counted(preview.deletes, thing)} that only the account has"
    return f"{changed}, and delete {others}" if preview.sent else f"Delete {others}"


def amount(job: Job, preview: Preview) -> str:
    """How much is sent, such as "215 rows in 3 batches"; "" for nothing."""
    parts = [counted(preview.sent, "row")] if preview.sent else []
    if preview.deletes and not Action(job.action).deletes:
        parts.append(counted(preview.deletes, "deletion"))
    about = "about " if preview.is_compared else ""
    batches = counted(preview.batches, "batch")
    return f"{' and '.join(parts)} in {about}{batches}" if parts else ""


def launch_button(job: Job, preview: Preview) -> str:
    rows = counted(preview.sent, "row")
    if not preview.deletes:
        return f"Launch {rows}"
    records = counted(preview.deletes, "record")
    if Action(job.action).deletes or not preview.sent:
        return f"Delete {records}"
    return f"Launch {rows} and delete {records}"


def points(job: Job, *, is_compared: bool) -> list[Point]:
    """What to know before launch. `is_compared`: what the records hold before is kept."""
    action = Action(job.action)
    options = Options.from_json(job.options)
    found = [_repeating(action, is_compared=is_compared)]
    if action is Action.CREATE:
        found.append(_generated_ids(options))
    if not action.deletes:
        if options.match is None or options.match.sends_rows:
            found.append(_empty_cells(options))
        found.append(Point("player-play", TRIGGERS))
    if options.match and options.match.deletes:
        found.append(Point("trash", LAST, is_warning=True))
    found.append(_undo(action, is_compared=is_compared))
    return found


def _undo(action: Action, *, is_compared: bool) -> Point:
    if action is Action.CREATE:
        return Point("arrow-back-up", "Can be undone, except for records changed since")
    if not is_compared:
        text = "Can be undone only if you keep what the records hold, below"
        return Point("alert-triangle", text, is_warning=True)
    if action.deletes:
        text = "Can be undone: deleted records are created again, with new IDs"
        return Point("arrow-back-up", text)
    return Point("arrow-back-up", "Can be undone, except for values changed since")


def _repeating(action: Action, *, is_compared: bool) -> Point:
    if action.deletes:
        result = "are not sent" if is_compared else "will fail"
        text = f"Safe to run again: rows whose record was already deleted {result}"
        return Point("refresh", text)
    if action.is_repeatable:
        text = "Safe to run again: the same rows lead to the same records"
        return Point("refresh", text)
    text = "Not safe to run again: each run creates new records"
    return Point("refresh", text, is_warning=True)


def _generated_ids(options: Options) -> Point:
    if options.generate_external_ids:
        start = f"{options.prefix}-"
        text = f"Rows without an external ID get one that starts with {start}"
    else:
        text = (
            "If the connection breaks, rows without an external ID may become uncertain"
        )
    return Point("shield-lock", text)


def _empty_cells(options: Options) -> Point:
    if options.blank == "clear":
        return Point("circle-dashed", "Empty cells clear the field", is_warning=True)
    return Point("circle-dashed", "Empty cells leave the field unchanged")
