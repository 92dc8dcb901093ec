"""What a person chose for a job beside its mapping: how its rows are read, and how it
runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from jobsui.jobs.enums import Weight
from jobsui.text import counted

if TYPE_CHECKING:
    from jobsui.jobs.models import Job


@dataclass(frozen=True, slots=True)
class Options:
    blank: Literal["skip", "clear"] = "skip"
    """An empty cell leaves the record's field as it is, or empties it."""
    invalid: Literal["stop", "skip"] = "stop"
    """Rows with problems keep the job from being launched, or are left out of it."""
    generate_external_ids: bool = True
    """Rows to `create` without an external id get one of ours, so that a broken
    connection can be settled."""
    prefix: str = ""
    """What those begin with; retries inherit it, so that a row has the same one in all
    of them."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Unknown members are left out."""
        return cls(**{name: data[name] for name in cls.__slots__ if name in data})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a launched job runs; people may change it until the job is over."""

    weight: Weight = Weight.NORMAL
    stop_percent: int | None = None
    """It pauses by itself when this many percent of its last `stop_rows` rows failed;
    None: never."""
    stop_rows: int = 1000
    stop_refusals: int | None = None
    """... or when Zendesk refused so many requests in a row as a whole; None: never."""

    @classmethod
    def of(cls, job: "Job") -> Self:
        return cls(
            Weight(job.weight), job.stop_percent, job.stop_rows, job.stop_refusals
        )

    @property
    def columns(self) -> dict[str, Any]:
        """As the job keeps them."""
        return asdict(self)

    @property
    def stops(self) -> str:
        """When the job stops by itself, in words."""
        failures = (
            f"{self.stop_percent} % of its last {counted(self.stop_rows, 'row')} fail"
        )
        refusals = f"Zendesk refuses {counted(self.stop_refusals or 0, 'request')} in a row as a whole"
        when = [
            words
            for limit, words in (
                (self.stop_percent, failures),
                (self.stop_refusals, refusals),
            )
            if limit
        ]
        return (
            f"pauses by itself when {' or '.join(when)}"
            if when
            else "never pauses by itself"
        )

    def __str__(self) -> str:
        return f"Weight {self.weight.name.lower()}; {self.stops}."
