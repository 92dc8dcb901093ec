"""What programs say of a job."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from jobsui.api.v1.types import Body, Id, Name
from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import Action, Weight
from jobsui.jobs.mapping import field_targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RunSettings

Items = Annotated[list[dict[str, Any]], Field(min_length=1)]
Mapping = dict[Name, Name]
"""{column: field}; a field is name, external_id, id, or the key of one of the object's
fields."""


class OptionsIn(Body):
    """How rows are read."""

    blank: Literal["skip", "clear"] = "skip"
    """An empty cell leaves the field as it is, or empties it."""
    invalid: Literal["stop", "skip"] = "stop"
    """Rows with problems keep the job from being launched, or are left out of it."""
    generate_external_ids: bool = True
    """Rows to create without an external id get one of the job's making, so that a lost
    answer can be settled."""

    def on(self, options: Options) -> Options:
        """These options with what was said changed."""
        return replace(options, **self.dict(exclude_unset=True))


class RulesIn(Body):
    """How a job runs."""

    weight: Literal["low", "normal", "high"] = "normal"
    """Its share of the account beside other jobs."""
    stop_percent: Annotated[int, Field(ge=1, le=100)] | None = 50
    """It pauses by itself when this many percent of its last `stop_rows` rows failed;
    null: never."""
    stop_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    stop_refusals: Annotated[int, Field(ge=1, le=1000)] | None = 10
    """... or when Zendesk refused so many requests in a row as a whole; null: never."""

    def on(self, rules: RunSettings) -> RunSettings:
        """These rules with what was said changed."""
        said = self.dict(exclude_unset=True)
        if "weight" in said:
            said["weight"] = Weight[self.weight.upper()]
        return replace(rules, **said)


class JobIn(Body):
    connection: Name
    """Id or name."""
    object: Name
    """Key of the custom object."""
    action: Annotated[Action, Field(strict=False)]
    file: Annotated[UUID, Field(strict=False)] | None = None
    """Id of an uploaded file, ..."""
    items: Items | None = None
    """... or the records themselves, each an object. Members are columns; those of
    custom_object_fields are, too."""
    mapping: Mapping | None = None
    """Without one, columns named like fields map themselves."""
    options: OptionsIn = OptionsIn()
    rules: RulesIn = RulesIn()
    launch: bool = False
    """Go on to launch it once it is checked; else it waits, ready."""
    hold_after_first_batch: bool = False
    """Send the first batch alone; resume lets the others follow."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.items is None):
            raise ValueError("give either file, the id of an uploaded file, or items")
        return self


class JobChange(Body):
    """What is left out stays as it is."""

    mapping: Mapping | None = None
    """Of a draft; {}: columns named like fields map themselves."""
    options: OptionsIn | None = None
    """Of a draft."""
    rules: RulesIn | None = None
    """Until the job is over."""


class LaunchIn(Body):
    hold_after_first_batch: bool | None = None
    """Send the first batch alone; resume lets the others follow. As said when the job
    was made, if not said."""
    rules: RulesIn = RulesIn()


class RetryIn(Body):
    cause: Id | None = None
    """Id of a cause, of GET /jobs/{id}/errors; all failed rows if not said."""
    launch: bool = False


class ResolveIn(Body):
    uncertain: Literal["look", "resend", "accept"]
    """Look again what became of the rows, send them again, or leave them uncertain."""


def targets(chosen: Mapping, to: CustomObject, action: Action) -> dict[str, str]:
    """A mapping in our own words. Raises MappingRefused."""
    offered = field_targets.targets(to.schema, action)
    return {
        column: field_targets.target_key(field, offered)
        for column, field in chosen.items()
    }


def rules_of(job: Job, said: RulesIn | None) -> RunSettings:
    return said.on(job.run_settings) if said else job.run_settings
