"""How a launched job runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from jobsui.jobs.enums import Weight
from jobsui.text import counted


@dataclass(frozen=True, slots=True)
class RunSettings:
    """People may change them until the job is over. `str()` of them is a sentence."""

    weight: Weight = Weight.NORMAL
    stop_percent: int | None = None
    """The job pauses automatically when this percentage of its last `stop_rows` rows
    failed. None: it does not."""
    stop_rows: int = 1000
    stop_refusals: int | None = None
    """The job pauses automatically when Zendesk refuses this many requests in a row.
    None: it does not."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "weight": Weight(data["weight"])})

    @property
    def columns(self) -> dict[str, Any]:
        """The fields of a Job that store them."""
        return asdict(self)

    @property
    def auto_pause(self) -> str:
        """When the job pauses automatically, as the end of a sentence."""
        conditions = []
        if self.stop_percent:
            rows = counted(self.stop_rows, "row")
            conditions.append(f"{self.stop_percent} % of its last {rows} fail")
        if self.stop_refusals:
            requests = counted(self.stop_refusals, "request")
            conditions.append(f"Zendesk refuses {requests} in a row")
        if not conditions:
            return "never pauses automatically"
        return f"pauses automatically when {' or '.join(conditions)}"

    def __str__(self) -> str:
        return f"Priority {self.weight.name.lower()}; {self.auto_pause}."
