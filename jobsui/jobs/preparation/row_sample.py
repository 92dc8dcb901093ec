"""A sample of the rows of a job, for what only the account knows about them. Workers only:
it imports pyarrow."""

import math

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import FIELD, schema_of
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import key_sample
from jobsui.jobs.preparation.job_blocks import JobBlock
from jobsui.jobs.preparation.row_warnings import (
    clears,
    contents,
    lacks,
    required_for_new,
)
from jobsui.jobs.preparation.sampled_rows import SampledRow
from jobsui.zendesk.payloads import Schema

MAX_KEYS = 1000
"""At 100 a request."""
MAX_NAMES = 10
"""Each takes a request of its own."""
MAX_REFERENCES = 200
"""Of each field that refers to other records."""
MAX_ROWS_LOOKED_AT = 2000
"""Of a block, once it is known that not all values are in the sample."""


class RowSample:
    """Different values from all over the file, as the text of their JSON."""

    def __init__(self, job: Job) -> None:
        """Not for jobs of raw items."""
        self._job = job
        self._action = Action(job.action)
        self._rows_to_read = job.rows_to_check or 0
        self._rows_read = 0
        schema = schema_of(job)
        self._required = required_for_new(schema, self._action)
        self.rows = 0
        """How many rows would be sent: known at the end."""
        self.has_blanks = False
        """Whether a row leaves blank or clears what a record needs. Invalid rows count too."""
        is_name = self._action.key_of_records == "name"
        self.keys = _Values(MAX_NAMES if is_name else MAX_KEYS)
        """Of the rows for which it matters whether their record exists."""
        self.names = _Values(MAX_NAMES if _needs_free_name(schema, self._action) else 0)
        """That no other record may have."""
        self.references: dict[str, _Values] = {}
        """{target key: values}."""
        if not self._action.deletes:
            for field in schema.fields:
                if field.type in {"lookup", "parent"}:
                    self.references[f"{FIELD}{field.key}"] = _Values(MAX_REFERENCES)

    def rows_of_file(self) -> list[SampledRow]:
        """Rows that would be sent, read again. Raises FileRefused."""
        return key_sample.read(self._job)

    def add(self, block: JobBlock) -> None:
        self.has_blanks = self.has_blanks or self._has_blanks(block)
        self._rows_read += len(block.numbers)
        share = 1.0
        if self._rows_to_read:
            share = min(1.0, self._rows_read / self._rows_to_read)
        self._add(self.keys, block, self._action.key_of_records, share)
        self._add(self.names, block, "name", share)
        for target, values in self.references.items():
            self._add(values, block, target, share)

    def _add(
        self, found: "_Values", block: JobBlock, target: str, share: float
    ) -> None:
        values = contents(block.values_of(target)) if found.limit else None
        if values is None:
            return
        is_wanted = block.is_sent
        if found is self.keys and self._action.is_upsert:
            is_wanted = pc.and_(is_wanted, self._lacks_any(block))
        if is_wanted.true_count:
            found.add(values.filter(is_wanted).drop_null(), share)

    def _has_blanks(self, block: JobBlock) -> bool:
        is_blank = [clears(block, target.key) for target in self._required]
        if self._action.is_upsert:
            is_blank.append(self._lacks_any(block))
        return any(each.true_count for each in is_blank)

    def _lacks_any(self, block: JobBlock) -> pa.BooleanArray:
        """Whether a new record could not be made of each row."""
        found = pa.repeat(False, len(block.numbers))
        for target in self._required:
            found = pc.or_(found, lacks(block, target.key))
        return found


def _needs_free_name(schema: Schema, action: Action) -> bool:
    is_key = action is Action.UPSERT_BY_NAME
    return schema.name_rules.unique and not action.deletes and not is_key


class _Values:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._found: dict[str, None] = {}
        self.is_cut = False
        """Whether there are more."""

    @property
    def found(self) -> list[str]:
        return list(self._found)

    def add(self, values: pa.StringArray, share: float) -> None:
        """`share`: how much of the file has been read, so that the sample is from all of
        it."""
        room = math.ceil(self.limit * share) - len(self._found)
        if room <= 0 and self.is_cut:
            return
        if self.is_cut:
            values = values[:MAX_ROWS_LOOKED_AT]
        # Enough of them for one more than there is room for.
        candidates = pc.unique(values)[: len(self._found) + max(0, room) + 1]
        for value in candidates.to_pylist():
            if value in self._found:
                continue
            if room <= 0:
                self.is_cut = True
                return
            self._found[value] = None
            room -= 1
