"""Checks the rows that a change of the corrections concerns, and no others: their causes, the
counts and the repeated keys are then those that a whole check would find.

A whole check is needed for rows of a retry or continuation, for many rows whose keys or several
columns change, and for checks of which too little was stored.

For workers, and for the request that corrects cells: it imports pyarrow."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc
from django.utils import timezone

from jobsui.files.cells import Kind
from jobsui.files.staging import Staged
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.ledger import record_order
from jobsui.jobs.ledger.row_sets import RowSet
from jobsui.jobs.mapping.cell_reader import CellReader
from jobsui.jobs.mapping.field_targets import schema_of, unique_targets
from jobsui.jobs.mapping.row_reader import MAX_RECORD_BYTES, Problem, problem_of
from jobsui.jobs.mapping.rules import rules_of, used_columns
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models import AccountFacts, Job, RepeatedKeys
from jobsui.jobs.models.repeated_keys import RowPairs
from jobsui.jobs.preparation import checker, job_blocks, staged_rows
from jobsui.jobs.preparation.changed_cells import (
    ColumnChange,
    TextAndKind,
    changes_between,
    rows_by_text,
)
from jobsui.jobs.preparation.check_causes import CheckCauses, WholeCheckNeeded
from jobsui.jobs.preparation.corrected_blocks import BlockCorrector
from jobsui.jobs.preparation.corrected_cells import CorrectedCells
from jobsui.jobs.preparation.file_keys import CODE_PREFIX, Repeats
from jobsui.jobs.preparation.job_blocks import JobBlock, JobReader
from jobsui.jobs.preparation.key_hashes import hashes_of
from jobsui.jobs.preparation.row_masks import is_in_rows
from jobsui.jobs.preparation.row_warnings import RowWarnings
from jobsui.jobs.preparation.shared_keys import SharedKeys

MAX_READ_ROWS = 20_000
"""More rows are checked again only where the texts of one column decide."""
MAX_ROWS_READ_TWICE = 500
"""For more rows, the columns that can lead to warnings are read again, if that is enough."""
MAX_SHARING_ROWS = 200_000
MAX_CHANGED_KEYS = 1_000


def recheck(
    job: Job, before: CorrectedCells, after: CorrectedCells
) -> "Rechecked | None":
    """What the check of a ready job finds with other corrections. None: only a whole check can
    tell. Raises FileRefused."""
    if job.parent_rows or job.file.is_raw_items or job.largest_item is None:
        return None
    keys = RepeatedKeys.objects.filter(job=job).first()
    if keys is None or not keys.packed_sharing:
        return None
    try:
        with staged_rows.open_staged(job.file) as staged:
            return _Recheck(job, staged, keys, before, after).run()
    except WholeCheckNeeded:
        return None


@dataclass(slots=True)
class Rechecked:
    """Not stored yet."""

    causes: CheckCauses
    keys: dict[str, SharedKeys]
    largest_item: int
    removed_keys: record_order.KeyRows
    added_keys: record_order.KeyRows

    def store(self, job: Job) -> None:
        """In the transaction that stores the corrections, after them."""
        self.causes.save()
        RepeatedKeys.objects.filter(job=job).delete()
        stored = {target: keys.stored() for target, keys in self.keys.items()}
        RepeatedKeys.packed(
            job,
            {target: repeated for target, (_, repeated) in stored.items()},
            {target: sharing for target, (sharing, _) in stored.items()},
        ).save(force_insert=True)
        record_order.change_keys(job, self.removed_keys, self.added_keys)
        Job.objects.change(
            job,
            expected=(JobState.READY,),
            rows_invalid=len(self.causes.invalid_rows()),
            rows_warned=len(self.causes.warned_rows()),
            largest_item=self.largest_item,
            checked_fingerprint=checker.fingerprint(job),
            checked_at=timezone.now(),
        )


@dataclass(slots=True)
class _Found:
    """What changes."""

    rows: RowSet = field(default_factory=RowSet)
    """Those with changed cells."""
    removed: list[Problem] = field(default_factory=list)
    added: list[Problem] = field(default_factory=list)
    removed_of_rows: list[tuple[Problem, RowSet]] = field(default_factory=list)
    added_of_rows: list[tuple[Problem, RowSet]] = field(default_factory=list)
    """The same problem of many rows."""
    old_keys: dict[tuple[str, int], str] = field(default_factory=dict)
    """{(target, row): key} of the keys that change."""
    new_keys: dict[tuple[str, int], str] = field(default_factory=dict)
    largest_item: int = 0


class _Recheck:
    def __init__(
        self,
        job: Job,
        staged: Staged,
        keys: RepeatedKeys,
        before: CorrectedCells,
        after: CorrectedCells,
    ) -> None:
        """Raises WholeCheckNeeded."""
        self._job = job
        self._staged = staged
        self._before = before
        self._after = after
        self._old = JobReader(job, staged.columns, before)
        self._new = JobReader(job, staged.columns, after)
        self._cells = job_blocks.block_reader(job, staged.columns).cells
        self._unique = unique_targets(schema_of(job), Action(job.action))
        self._causes = CheckCauses(job)
        self._keys = _shared_keys(keys)
        self._old_repeats = Repeats(job, keys.rows)
        facts = AccountFacts.objects.filter(job=job).first()
        if facts is None:
            raise WholeCheckNeeded
        self._warnings = RowWarnings(job, facts)

    def run(self) -> Rechecked:
        """Raises WholeCheckNeeded and FileRefused."""
        used = used_columns(self._job.mapping, rules_of(self._job.rules))
        changes = changes_between(self._before, self._after, self._staged.columns, used)
        found = self._found(changes)
        all_invalid_before = self._causes.invalid_rows()
        invalid_before = self._causes.invalid_rows(without_codes=CODE_PREFIX)
        self._causes.change(found.removed, found.added)
        for problem, rows in found.removed_of_rows:
            self._causes.remove(problem, rows)
        for problem, rows in found.added_of_rows:
            self._causes.add(problem, rows)
        invalid = self._causes.invalid_rows(without_codes=CODE_PREFIX)
        self._change_keys(found, invalid_before ^ invalid, invalid)
        self._causes.describe(self._first_problems())
        flipped = all_invalid_before ^ self._causes.invalid_rows()
        self._change_warnings(found.rows | flipped)
        return Rechecked(
            self._causes,
            self._keys,
            max(self._job.largest_item or 0, found.largest_item),
            self._record_keys(found.old_keys),
            self._record_keys(found.new_keys),
        )

    def _found(self, changes: list[ColumnChange]) -> _Found:
        by_text = [rows_by_text(self._staged, change) for change in changes]
        if len(changes) == 1 and not changes[0].rows:
            try:
                return self._found_by_text(changes[0], by_text[0])
            except WholeCheckNeeded:
                pass
        all_rows = RowSet.of(set().union(*(change.rows for change in changes)))
        for rows in (rows for each in by_text for rows in each.values()):
            all_rows |= rows
        if len(all_rows) > MAX_READ_ROWS:
            raise WholeCheckNeeded
        found = self._read(list(all_rows), {change.index for change in changes})
        found.rows = all_rows
        return found

    def _read(self, rows: Sequence[int], columns: set[int]) -> _Found:
        """By reading the rows as they were and as they are."""
        found = _Found()
        targets = [
            cell.target.key
            for cell in self._cells
            if cell.target.key in self._unique and columns.intersection(cell.sources)
        ]
        for block in staged_rows.blocks_with(self._staged, rows):
            old = self._old.read(block)
            new = self._new.read(block)
            found.removed += itertools.chain(*old.problems())
            found.added += itertools.chain(*new.problems())
            found.largest_item = max(found.largest_item, new.largest_item)
            for target in targets:
                _note_keys(found.old_keys, target, old.numbers, old.keys[target])
                _note_keys(found.new_keys, target, new.numbers, new.keys[target])
        for key in found.old_keys.keys() & found.new_keys.keys():
            if found.old_keys[key] == found.new_keys[key]:
                del found.old_keys[key], found.new_keys[key]
        return found

    def _found_by_text(
        self, change: ColumnChange, rows: dict[TextAndKind, RowSet]
    ) -> _Found:
        """By reading each text once: nothing but it decides about the cells with it."""
        found = _Found(largest_item=self._job.largest_item or 0)
        column = self._staged.columns[change.index]
        for cell in self._cells:
            if change.index not in cell.sources:
                continue
            if len(cell.sources) > 1 or cell.target.key in self._unique:
                raise WholeCheckNeeded
            for (text, kind), concerned in rows.items():
                found.rows |= concerned
                row = next(iter(concerned))
                old = _read_text(cell, self._before, column, text, kind, row)
                new = _read_text(cell, self._after, column, text, kind, row)
                if isinstance(old, Problem):
                    found.removed_of_rows.append((old, concerned))
                if isinstance(new, Problem):
                    found.added_of_rows.append((new, concerned))
                else:
                    size = (self._job.largest_item or 0) + len(new.encode())
                    found.largest_item = max(found.largest_item, size)
        if found.largest_item > MAX_RECORD_BYTES:
            raise WholeCheckNeeded
        return found

    def _change_keys(self, found: _Found, flipped: RowSet, invalid: RowSet) -> None:
        """Find which rows repeat a key now. `flipped`: rows that have got or lost other
        problems."""
        if len(found.old_keys) + len(found.new_keys) > MAX_CHANGED_KEYS:
            raise WholeCheckNeeded
        is_flipped = flipped.contains()
        is_invalid = invalid.contains()
        changed = {target for target, _ in found.old_keys | found.new_keys}
        for target in changed | self._keys.keys():
            keys = self._keys.setdefault(target, SharedKeys())
            before = dict(keys.repeated)
            concerned = {row for row in keys.groups if row in is_flipped}
            rows = {
                row for key, row in found.old_keys | found.new_keys if key == target
            }
            if rows:
                concerned |= keys.regroup(self._rows_by_key(target, found), rows)
            keys.find_repeated(concerned, is_invalid)
            others = {
                row
                for row in before.keys() | keys.repeated.keys()
                if (row in before) != (row in keys.repeated)
            }
            moved = {row for row in rows if row in before and row in keys.repeated}
            self._change_repeated(target, before, others | moved, found)

    def _rows_by_key(self, target: str, found: _Found) -> dict[str, list[int]]:
        """All rows that have one of the old and new keys of a target. Reads the columns of the
        target."""
        texts = {
            text
            for (key, _), text in (*found.old_keys.items(), *found.new_keys.items())
            if key == target
        }
        wanted = pa.array(sorted(texts), pa.string())
        by_key: dict[str, list[int]] = defaultdict(list)
        for numbers, keys in self._all_keys(target):
            is_wanted = pc.is_in(keys, wanted)
            pairs = zip(
                keys.filter(is_wanted).to_pylist(),
                numbers.filter(is_wanted).to_pylist(),
                strict=True,
            )
            for text, row in pairs:
                by_key[text].append(row)
        return by_key

    def _all_keys(
        self, target: str, rows: Sequence[int] | None = None
    ) -> Iterator[tuple[pa.Int64Array, pa.StringArray]]:
        """(row numbers, keys) of each block. `rows`: only of these, ascending."""
        columns = self._staged.columns
        reader = job_blocks.block_reader(self._job, columns, [target])
        corrector = BlockCorrector(self._after, columns)
        for entry in self._staged.entries:
            if rows is not None and not staged_rows.has_any(entry, rows):
                continue
            block = self._staged.block(entry, reader.sources)
            if rows is not None:
                block = staged_rows.only_rows(block, rows)
            block = corrector.corrected(block)
            yield block.numbers, reader.read(block).keys[target]

    def _change_repeated(
        self, target: str, before: dict[int, int], changed: set[int], found: _Found
    ) -> None:
        """Count the rows that repeat a key now, or no longer do."""
        if len(changed) > MAX_READ_ROWS:
            raise WholeCheckNeeded
        if not changed:
            return
        after = self._keys[target].repeated
        repeats = Repeats(self._job)
        removed = []
        added = []
        for numbers, keys in self._all_keys(target, sorted(changed)):
            pairs = zip(numbers.to_pylist(), keys.to_pylist(), strict=True)
            for row, key in pairs:
                if row in before:
                    old_key = found.old_keys.get((target, row), key)
                    problem = repeats.problem(row, target, old_key, before[row])
                    removed.append(problem)
                if row in after:
                    added.append(repeats.problem(row, target, key, after[row]))
        self._causes.change(removed, added)

    def _change_warnings(self, rows: RowSet) -> None:
        """Find the warnings of rows whose cells or validity have changed."""
        corrected = self._before.columns | self._after.columns
        names = self._staged.columns
        may_warn = any(
            names[index] in corrected
            for cell in self._cells
            if cell.target.key in self._warnings.targets
            for index in cell.sources
        )
        if not (may_warn or self._warnings.are_possible):
            return
        try:
            if len(rows) > MAX_ROWS_READ_TWICE:
                self._change_many_warnings(rows)
                return
        except WholeCheckNeeded:
            if len(rows) > MAX_READ_ROWS:
                raise
        repeats = Repeats(self._job, self._repeated())
        for block in staged_rows.blocks_with(self._staged, list(rows)):
            old = self._old.read(block)
            self._old_repeats.mark(old)
            for warning in self._warnings.find(old):
                self._causes.change_warning(warning, old, is_added=False)
            new = self._new.read(block)
            repeats.mark(new)
            for warning in self._warnings.find(new):
                self._causes.change_warning(warning, new, is_added=True)

    def _change_many_warnings(self, rows: RowSet) -> None:
        """By reading only the targets that can lead to warnings."""
        self._causes.remove_warnings(rows)
        sent = rows - self._causes.invalid_rows()
        columns = self._staged.columns
        targets = self._warnings.read_targets
        reader = job_blocks.block_reader(self._job, columns, targets)
        corrector = BlockCorrector(self._after, columns)
        for entry in self._staged.entries:
            block = self._staged.block(entry, reader.sources)
            is_sent = is_in_rows(block.numbers, sent)
            if not is_sent.true_count:
                continue
            read = JobBlock(reader.read(corrector.corrected(block)), None)
            for warning in self._warnings.find(read):
                is_warned = pc.and_(warning.is_warned, is_sent)
                if is_warned.true_count:
                    found = replace(warning, is_warned=is_warned)
                    self._causes.change_warning(found, read, is_added=True)

    def _repeated(self) -> dict[str, RowPairs]:
        """The rows that repeat a key now."""
        return {target: keys.stored()[1] for target, keys in self._keys.items()}

    def _first_problems(self) -> Iterator[Problem]:
        """The problems of the first row of each cause that has changed."""
        repeats = Repeats(self._job, self._repeated())
        rows = sorted(self._causes.first_rows())
        for block in staged_rows.blocks_with(self._staged, rows):
            read = self._new.read(block)
            repeats.mark(read)
            for problems in read.problems():
                yield from problems

    def _record_keys(self, keys: dict[tuple[str, int], str]) -> record_order.KeyRows:
        """Those that identify records."""
        target = Action(self._job.action).key_of_records
        rows = [row for key, row in keys if key == target]
        texts = pa.array([keys[target, row] for row in rows], pa.string())
        hashes = hashes_of(target, texts).to_pylist()
        return list(zip(hashes, rows, strict=True))


def _shared_keys(stored: RepeatedKeys) -> dict[str, SharedKeys]:
    sharing = stored.sharing
    if sum(len(rows) for rows, _ in sharing.values()) > MAX_SHARING_ROWS:
        raise WholeCheckNeeded
    repeated = stored.rows
    return {
        target: SharedKeys.of(pairs, repeated.get(target))
        for target, pairs in sharing.items()
    }


def _note_keys(
    found: dict[tuple[str, int], str],
    target: str,
    numbers: pa.Int64Array,
    keys: pa.StringArray,
) -> None:
    for row, key in zip(numbers.to_pylist(), keys.to_pylist(), strict=True):
        if key is not None:
            found[target, row] = key


def _read_text(
    cell: CellReader,
    corrections: CorrectedCells,
    column: str,
    text: str,
    kind: int,
    row: int,
) -> str | Problem:
    """The JSON of the cells with this text of the file, or their problem."""
    replaced = corrections.texts.get(column, {}).get(text)
    if replaced is not None:
        text = replaced
        kind = Kind.TEXT
    try:
        return cell.read(text, kind)
    except ValueProblem as problem:
        return problem_of(problem, row, cell.column, text)
