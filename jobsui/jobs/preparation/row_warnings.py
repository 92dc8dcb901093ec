"""Rows that Zendesk may refuse although nothing is wrong with them: a warning of the check,
not a problem. What the account has, the check has read for a sample of the rows
(`account_facts`).

Workers only: it imports pyarrow."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.jobs.enums import Action
from jobsui.jobs.ledger import causes
from jobsui.jobs.ledger.row_sets import RowSet
from jobsui.jobs.mapping.cell_reader import LEAVE_ALONE, NULL
from jobsui.jobs.mapping.column_reader import ColumnValues
from jobsui.jobs.mapping.field_targets import Target, api_name, schema_of, targets
from jobsui.jobs.mapping.json_texts import decoded
from jobsui.jobs.mapping.row_reader import Problem, problem_of
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models import AccountFacts, Job
from jobsui.jobs.preparation.job_blocks import JobBlock
from jobsui.jobs.preparation.row_masks import rows_where
from jobsui.zendesk.payloads import Schema

KEY_LABELS = {"id": "Zendesk ID", "external_id": "external ID", "name": "name"}


@dataclass(frozen=True, slots=True)
class RowWarning:
    """The same for several rows of a block."""

    code: str
    column: str
    message: str
    fix: str
    is_warned: pa.BooleanArray
    """Whether each row of the block is concerned."""
    values: pa.StringArray | None = None
    """The JSON of each row's value without quotation marks; None when it says nothing."""

    def rows(self, block: JobBlock) -> RowSet:
        return rows_where(block.numbers, self.is_warned)

    @property
    def signature(self) -> str:
        """Of its cause. Several targets without a column can have the same code."""
        return causes.signature(self.code, self.column or self.message, "")

    def problems(self, block: JobBlock) -> Iterator[Problem]:
        """One for each row."""
        found = ValueProblem(self.code, self.message, self.fix)
        indexes = pc.indices_nonzero(self.is_warned)
        values = None if self.values is None else self.values.take(indexes)
        for place, row in enumerate(block.numbers.take(indexes).to_pylist()):
            value = "" if values is None else values[place].as_py()
            text = decoded(value) if value else ""
            yield problem_of(found, row, self.column, text)


class RowWarnings:
    """Built once a file."""

    def __init__(self, job: Job, facts: AccountFacts) -> None:
        self._action = Action(job.action)
        self._columns = {target: column for column, target in job.mapping.items()}
        self._has_blanks = facts.has_blanks
        schema = schema_of(job)
        self._schema = schema
        self._required = required_for_new(schema, self._action)
        self._offered = {target.key: target for target in targets(schema, self._action)}
        self._references = {
            target: pa.array(values, pa.string())
            for target, values in facts.missing_references.items()
            if values
        }
        self._existing = pa.array(facts.existing_keys, pa.string())
        self._missing = pa.array(facts.missing_keys, pa.string())
        self._names = pa.array(facts.taken_names, pa.string())
        self._owners = pa.array(facts.taken_names.values(), pa.string())

    @property
    def are_possible(self) -> bool:
        """Whether a row may have a warning, as far as the whole file shows."""
        return bool(self._has_blanks or self._references or self._has_keys)

    @property
    def _has_keys(self) -> bool:
        """Whether a row may have a warning because of its key."""
        return bool(len(self._existing) or len(self._missing) or len(self._names))

    @property
    def targets(self) -> set[str]:
        """Those whose values may lead to a warning."""
        names = {"name"} if len(self._names) else set()
        return {each.key for each in self._required} | set(self._references) | names

    @property
    def read_targets(self) -> set[str]:
        """Those whose values are read for the warnings."""
        keys = {self._action.key or "external_id", "external_id"}
        return self.targets | (keys if self._has_keys else set())

    def find(self, block: JobBlock) -> list[RowWarning]:
        """Of the rows that would be sent."""
        is_sent = block.is_sent
        found = []
        for warning in self._all(block):
            is_warned = pc.fill_null(pc.and_(warning.is_warned, is_sent), False)
            if is_warned.true_count:
                found.append(replace(warning, is_warned=is_warned))
        return found

    def add_problems(self, block: JobBlock) -> None:
        """Turn the warnings into problems. Then their rows are not sent."""
        for warning in self.find(block):
            indexes = pc.indices_nonzero(warning.is_warned).to_pylist()
            for index, problem in zip(indexes, warning.problems(block), strict=True):
                block.add_problem(index, problem)

    def _all(self, block: JobBlock) -> Iterator[RowWarning]:
        if self._action.is_upsert:
            yield from self._required_for_new(block)
        if not self._action.deletes:
            yield from self._cleared(block)
            yield from self._missing_references(block)
            yield from self._taken_names(block)
        yield from self._keys(block)

    def _required_for_new(self, block: JobBlock) -> Iterator[RowWarning]:
        keys = contents(block.values_of(self._action.key))
        for target in self._required:
            is_lacking = lacks(block, target.key)
            if not is_lacking.true_count:
                continue
            if len(self._existing) and keys is not None:
                has_record = pc.is_in(keys, self._existing)
                is_lacking = pc.and_not(is_lacking, has_record)
            column = self._columns.get(target.key, "")
            what = "these rows have none" if column else "no column is mapped to it"
            fix = f"Fill in {target.label}" if column else f"Map {target.label}"
            yield RowWarning(
                code="missing_in_new_record",
                column=column,
                message=f"{target.label} is required for new records, and {what}.",
                fix=f"Zendesk refuses these rows if their record does not exist yet. {fix}, "
                "or send them if you know that the records exist.",
                is_warned=is_lacking,
            )

    def _cleared(self, block: JobBlock) -> Iterator[RowWarning]:
        for target in self._required:
            yield RowWarning(
                code="clears_required",
                column=self._columns.get(target.key, ""),
                message=f"{target.label} is required, and these rows clear it.",
                fix="Zendesk may refuse to clear a required field. Fill in a value, or let "
                "blank cells leave the field alone.",
                is_warned=clears(block, target.key),
            )

    def _missing_references(self, block: JobBlock) -> Iterator[RowWarning]:
        for target, missing in self._references.items():
            values = contents(block.values_of(target))
            if values is None:
                continue
            label = self._offered[target].label
            field = self._schema.field(api_name(target))
            noun = field.target_noun if field else "record"
            yield RowWarning(
                code="reference_missing",
                column=self._columns.get(target, ""),
                message=f"The {noun} that {label} refers to does not exist, or this connection "
                "is not allowed to read it.",
                fix=f"Correct the value, or create the related {noun}s first.",
                is_warned=pc.is_in(values, missing),
                values=values,
            )

    def _keys(self, block: JobBlock) -> Iterator[RowWarning]:
        key = self._action.key or "external_id"
        values = contents(block.values_of(key))
        if values is None:
            return
        label = KEY_LABELS[key]
        if self._action is Action.CREATE and len(self._existing):
            yield RowWarning(
                code="key_taken",
                column=self._columns.get(key, ""),
                message=f"A record in Zendesk already has this {label}.",
                fix="Zendesk refuses to create a second one. To change that record, choose "
                "the action Create or update.",
                is_warned=pc.is_in(values, self._existing),
                values=values,
            )
        needs_record = self._action is Action.UPDATE or self._action.deletes
        if needs_record and len(self._missing):
            yield RowWarning(
                code="record_missing",
                column=self._columns.get(key, ""),
                message=f"No record in Zendesk has this {label}.",
                fix="Zendesk refuses these rows. Correct the value, or leave them out.",
                is_warned=pc.is_in(values, self._missing),
                values=values,
            )

    def _taken_names(self, block: JobBlock) -> Iterator[RowWarning]:
        """Of objects whose names are unique, where the name is not the key."""
        values = contents(block.values_of("name"))
        if values is None or not len(self._names):
            return
        is_taken = pc.is_in(values, self._names)
        if self._action is Action.UPSERT_BY_EXTERNAL_ID:
            own = contents(block.values_of("external_id"))
            owners = self._owners.take(pc.index_in(values, self._names))
            is_taken = pc.and_not(is_taken, pc.fill_null(pc.equal(owners, own), False))
        yield RowWarning(
            code="name_taken",
            column=self._columns.get("name", ""),
            message="Another record in Zendesk already has this name, and the names of this "
            "object are unique.",
            fix="Choose another name, or leave these rows out.",
            is_warned=is_taken,
            values=values,
        )


def required_for_new(schema: Schema, action: Action) -> list[Target]:
    """What a new record needs, and rows to send may lack."""
    if action is Action.CREATE:
        # Rows without a required value are invalid then.
        return []
    offered = {target.key: target for target in targets(schema, action)}
    return [
        target
        for target in targets(schema, Action.CREATE)
        if target.required
        and target.key in offered
        and not offered[target.key].required
        and not (action is Action.UPDATE and target.key == "name")
    ]


def lacks(block: JobBlock, target: str) -> pa.BooleanArray:
    """Whether each row leaves the target alone."""
    values = block.values_of(target)
    count = len(block.numbers)
    if values is None:
        return pa.repeat(True, count)
    if values.is_quoted:
        return pa.repeat(False, count)
    return pc.fill_null(pc.equal(values.cells, LEAVE_ALONE), False)


def clears(block: JobBlock, target: str) -> pa.BooleanArray:
    """Whether each row empties the target."""
    values = block.values_of(target)
    if values is None or values.is_quoted:
        return pa.repeat(False, len(block.numbers))
    return pc.fill_null(pc.equal(values.cells, NULL), False)


def contents(values: ColumnValues | None) -> pa.StringArray | None:
    """The JSON strings of a column without their quotation marks; null where a cell has
    none. None: the column is not mapped."""
    if values is None:
        return None
    if values.is_quoted:
        return values.cells
    is_string = pc.starts_with(values.cells, '"')
    inner = pc.utf8_slice_codeunits(values.cells, 1, -1)
    return pc.if_else(pc.fill_null(is_string, False), inner, None)
