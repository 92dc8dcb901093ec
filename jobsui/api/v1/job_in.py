"""Request bodies about jobs."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from jobsui.api.v1.mapping_in import Constants, Mapping
from jobsui.api.v1.types import Body, Id, Name
from jobsui.jobs.enums import Action, Weight
from jobsui.jobs.mapping.options import Match, Options
from jobsui.jobs.models import Job, RunSettings

MAX_ITEMS = 100_000
Items = Annotated[
    list[Any],
    Field(
        min_length=1,
        max_length=MAX_ITEMS,
        json_schema_extra={"items": {"type": "object", "additionalProperties": True}},
    ),
]
"""Each is checked when it is stored: errors of the schema would take a kilobyte each."""
RUN_SETTINGS = {
    "priority": "weight",
    "auto_pause_percent": "stop_percent",
    "auto_pause_rows": "stop_rows",
    "auto_pause_refusals": "stop_refusals",
}
"""{member of RunSettingsIn: field of the run settings}."""


class MatchIn(Body):
    """What is done so that the account matches the file."""

    only_in_file: Literal["create", "leave"] = "create"
    different: Literal["update", "leave"] = "update"
    only_in_account: Literal["delete", "leave"] = "leave"
    """Records whose external ID is not in the file. Those without external ID are never
    deleted."""
    max_percent: Annotated[float, Field(ge=0, le=100)] = 2.0
    """The launch is refused if more than this percentage of the object's records would be
    deleted."""
    max_records: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1_000
    """The launch is refused if more records than this would be deleted."""


class OptionsIn(Body):
    """How rows are read."""

    blank: Literal["skip", "clear"] = "skip"
    """What an empty cell does: `skip` leaves the field as it is, `clear` empties it."""
    invalid: Literal["stop", "skip"] = "stop"
    """What invalid rows do: `stop` prevents the launch, `skip` launches without
    them."""
    warnings: Literal["send", "skip", "stop"] = "send"
    """What valid rows do that Zendesk may refuse, by what the check has read in the account:
    `send` sends them, `skip` leaves them out as invalid, `stop` prevents the launch."""
    decimal_mark: Literal["auto", "point", "comma"] = "auto"
    """How numbers are written: `point` 1,234.5, `comma` 1.234,5, `auto` as their column
    shows. A number that can be read in both ways is invalid if its column does not
    decide."""
    generate_external_ids: bool = True
    """Generate an external ID for each row to create that has none. Jobs UI can then
    find out whether the row was saved when a response is lost."""
    compare: bool = False
    """Compare the rows with their records in Zendesk after the check, and send only what
    differs. A comparison that fails prevents the launch. Not for `create`."""
    keep_undo: bool = False
    """Read and keep what the records hold right before each batch is sent, so that the job can
    be undone without a comparison. Takes one more request for each batch of an update,
    upsert or deletion; by name one for each row."""
    refuse_changed: Literal["off", "watched", "strict"] = "off"
    """What rows do whose records change after the comparison: `off` sends them. `strict` reads
    the records of each batch again right before it is sent, and rows whose values have
    changed fail with `ChangedSince`. The 3 to 10 seconds from the read to the write stay
    open. `watched` reads so only the batches of which the incremental export shows a changed
    record. It is read twice a minute, and the last 2 minutes stay open. Compares the rows, as
    `compare` does. Not for `create`."""
    only_existing: bool = False
    """Only for `create_or_update_by_external_id`: update records, and create none. Rows
    without a record fail and are not sent. The rows are always compared first."""

    match: MatchIn | None = None
    """Make the account match the file: the comparison finds the records that only the account
    has, too. They are deleted if that is chosen, after all rows of the file. The launch is
    refused beyond the limits, and where the file may be incomplete: with rows that are left
    out or damaged, less than half of the rows of the last such job, or a problem with its
    keys. Implies `compare`. Only for `create_or_update_by_external_id`."""

    def apply(self, options: Options) -> Options:
        """`options` with the members that were sent."""
        sent = self.dict(exclude_unset=True)
        if self.match is not None:
            sent["match"] = Match(**self.match.dict())
        return replace(options, **sent)


class RunSettingsIn(Body):
    """How a launched job runs."""

    priority: Literal["low", "normal", "high"] = "normal"
    """The job's share of the account while other jobs run."""
    auto_pause_percent: Annotated[int, Field(ge=1, le=100)] | None = 50
    """Pause the job when this percentage of its last `auto_pause_rows` rows failed;
    null: never."""
    auto_pause_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    auto_pause_refusals: Annotated[int, Field(ge=1, le=1000)] | None = 10
    """Pause the job when Zendesk refuses this number of whole requests in a row; null:
    never."""

    def apply(self, settings: RunSettings) -> RunSettings:
        """`settings` with the members that were sent."""
        sent = {
            RUN_SETTINGS[member]: value
            for member, value in self.dict(exclude_unset=True).items()
        }
        if "weight" in sent:
            sent["weight"] = Weight[self.priority.upper()]
        return replace(settings, **sent)


class JobIn(Body):
    connection: Name
    """ID or name."""
    object: Name
    """Key of the custom object."""
    action: Annotated[Action, Field(strict=False)]
    file: Annotated[UUID, Field(strict=False)] | None = None
    """ID of an uploaded file. Send either `file` or `items`."""
    items: Items | None = None
    """The records, each a JSON object. Its members, and those of its
    `custom_object_fields`, are columns. Each takes at most 32 KB."""
    mapping: Mapping | None = None
    """Without a mapping, columns are matched to fields by name."""
    constants: Constants = Field(default_factory=dict)
    saved_mapping: Id | None = None
    """ID of a saved mapping of this object and action, instead of `mapping`. Its options
    apply unless they are sent. If the file lacks its columns, or fields have changed since
    it was saved, the job stays a draft for a person to review."""
    options: OptionsIn = OptionsIn()
    run_settings: RunSettingsIn = RunSettingsIn()
    launch: bool = False
    """Launch the job once its rows are checked. Otherwise it stays `ready`."""
    hold_after_first_batch: bool = False
    """Send the first batch, then pause until the job is resumed."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.items is None):
            raise ValueError("send either file, the ID of an uploaded file, or items")
        return self

    @model_validator(mode="after")
    def _one_mapping(self) -> Self:
        if self.saved_mapping is not None and (self.mapping or self.constants):
            raise ValueError(
                "send either mapping and constants, or saved_mapping, which has both"
            )
        return self


class JobChange(Body):
    """Members that are not sent keep their values."""

    mapping: Mapping | None = None
    """Drafts only. {} matches columns to fields by name."""
    constants: Constants | None = None
    """Drafts only."""
    options: OptionsIn | None = None
    """Drafts only."""
    run_settings: RunSettingsIn | None = None
    """Can be changed until the job is over."""

    @property
    def changes_mapping(self) -> bool:
        members = (self.mapping, self.constants, self.options)
        return any(member is not None for member in members)


class LaunchIn(Body):
    hold_after_first_batch: bool | None = None
    """Send the first batch, then pause until the job is resumed. Null keeps what was
    set when the job was created."""
    run_settings: RunSettingsIn = RunSettingsIn()


class RetryIn(Body):
    cause: Id | None = None
    """ID of a cause from `GET /jobs/{id}/errors`; null: all failed rows."""
    launch: bool = False


class ContinueIn(Body):
    launch: bool = False


class ResolveIn(Body):
    uncertain: Literal["check_again", "resend", "accept"]
    """`check_again` reads the records from Zendesk again. `resend` sends the rows
    again, which may create duplicates or overwrite what others have changed. `accept`
    leaves the rows uncertain."""


def run_settings_of(job: Job, sent: RunSettingsIn | None) -> RunSettings:
    """The job's settings with the members that were sent."""
    return sent.apply(job.run_settings) if sent else job.run_settings
