"""What the mapping page shows: a row for each target, and what is left to decide."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jobsui.jobs.mapping.field_targets import FIELD, Target, schema_of
from jobsui.jobs.models import File, Job
from jobsui.web.forms.mapping import SOURCE, MappingForm

MAX_SAMPLES = 3
MAX_OPTIONS = 12
MAX_OPEN_COLUMNS = 12
"""More columns that are not imported are behind a summary."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of the file as its target's row shows it."""

    name: str
    samples: list[str]
    """The first different texts."""
    filled: int | None
    """How many cells have a text. None: not counted."""
    rows: int

    @property
    def fill_rate(self) -> str:
        """ "93% filled (200 of 215 rows)"; "" when it is not known."""
        if self.filled is None or not self.rows:
            return ""
        if self.filled >= self.rows:
            return "Filled in every row"
        if not self.filled:
            return "Empty in every row"
        percent = min(max(round(100 * self.filled / self.rows), 1), 99)
        return f"{percent}% filled ({self.filled:,} of {self.rows:,} rows)"


@dataclass(frozen=True, slots=True)
class MappingRow:
    number: int
    """Of the row, for the ids of its parts."""
    target: Target
    input_name: str
    chosen: str
    """The label of the chosen column as it was entered."""
    errors: list[str]
    column: SourceColumn | None
    options: Sequence[Any] = ()

    @property
    def shown_options(self) -> Sequence[Any]:
        return self.options[:MAX_OPTIONS]

    @property
    def more_options(self) -> int:
        return len(self.options) - len(self.shown_options)

    @property
    def is_missing(self) -> bool:
        return self.target.required and self.column is None

    @property
    def key(self) -> str:
        return self.target.api_name


@dataclass(frozen=True, slots=True)
class Summary:
    """What is mapped, and what still has to be."""

    mapped: int
    targets: int
    missing: list[MappingRow] = field(default_factory=list)
    """Required, without a column."""
    unused: list[str] = field(default_factory=list)
    """Labels of the columns that are not imported."""

    @property
    def lists_unused(self) -> bool:
        """Whether they are few enough to be in view."""
        return len(self.unused) <= MAX_OPEN_COLUMNS


class MappingRows:
    """Those of a draft, in the state of its form."""

    def __init__(self, job: Job, form: MappingForm) -> None:
        self._job = job
        self._form = form
        self._position = {name: n for n, name in enumerate(job.file.columns)}

    def __iter__(self) -> Iterator[MappingRow]:
        return iter(self._rows)

    def of(self, input_name: str) -> MappingRow | None:
        """The row of this input."""
        return next((row for row in self._rows if row.input_name == input_name), None)

    @cached_property
    def _rows(self) -> list[MappingRow]:
        return [
            self._row(number, target)
            for number, target in enumerate(self._form.targets, 1)
        ]

    def _row(self, number: int, target: Target) -> MappingRow:
        source = self._form.source(target)
        column = self._form.chosen(target)
        return MappingRow(
            number=number,
            target=target,
            input_name=SOURCE + target.key,
            chosen=source.value() or "",
            errors=[str(error) for error in source.errors],
            column=self._column(column) if column else None,
            options=self._options(target),
        )

    def _options(self, target: Target) -> Sequence[Any]:
        field = self._fields.get(target.key)
        return field.options if field else ()

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        return {f"{FIELD}{field.key}": field for field in schema_of(self._job).fields}

    def _column(self, name: str) -> SourceColumn:
        file = self._job.file
        return SourceColumn(
            name=self._form.labels.label(name),
            samples=samples(file, self._position[name]),
            filled=self._filled.get(name),
            rows=file.rows or 0,
        )

    @cached_property
    def _filled(self) -> dict[str, int]:
        return dict(self._job.file.column_facts.values_list("name", "filled"))

    @property
    def summary(self) -> Summary:
        used = {self._form.chosen(target) for target in self._form.targets}
        labels = self._form.labels
        return Summary(
            mapped=sum(row.column is not None for row in self._rows),
            targets=len(self._rows),
            missing=[row for row in self._rows if row.is_missing],
            unused=[label for label in labels if labels.column(label) not in used],
        )


def samples(file: File, position: int) -> list[str]:
    """The first different texts of a column."""
    texts = (cells[position] for _, cells in file.sample if position < len(cells))
    return list(dict.fromkeys(text for text in texts if text.strip()))[:MAX_SAMPLES]
