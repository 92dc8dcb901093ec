from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobsui.jobs.preparation.sampled_rows import SampledRow
from jobsui.zendesk.payloads import Record


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of a job, and the record of each by its key as it is."""

    rows: Sequence[SampledRow]
    records: Sequence[Record | None]

    @property
    def size(self) -> int:
        return len(self.rows)

    @property
    def existing(self) -> int:
        """How many rows have a record."""
        return count(self.records)

    @property
    def share(self) -> float:
        """The share of rows that have a record."""
        return self.existing / self.size

    @property
    def missing(self) -> list[int]:
        """The indexes of the rows that have none."""
        return [index for index, record in enumerate(self.records) if record is None]


def count(records: Iterable[Record | None]) -> int:
    return sum(record is not None for record in records)
