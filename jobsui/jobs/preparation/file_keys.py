"""The keys in a file: which appear twice, and which identify the records of a job.

Workers only: it imports pyarrow."""

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.jobs.enums import Action
from jobsui.jobs.ledger import record_order
from jobsui.jobs.ledger.record_order import HashedKeys
from jobsui.jobs.mapping.row_reader import Problem, problem_of
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models import Job
from jobsui.jobs.models.repeated_keys import RowPairs
from jobsui.jobs.preparation.job_blocks import JobBlock
from jobsui.jobs.preparation.key_hashes import hashes_of

KEY_LABELS = {"id": "Zendesk ID", "external_id": "External ID", "name": "Name"}
FIX = "Keep one of the rows: Zendesk may apply them in any order."
CODE_PREFIX = "duplicate_"
"""Begins the codes of problems of repeated keys."""
HASH_BITS = 63
PART_BITS = 3
THREADS = 2
"""Sort parts."""


class FileKeys:
    """The keys of all rows, as hashes: 16 bytes a key. Those of rows with other problems
    count too, because a person may correct these."""

    def __init__(self, job: Job) -> None:
        self._key_of_records = Action(job.action).key_of_records
        self._keys: defaultdict[str, _Keys] = defaultdict(_Keys)

    def add(self, block: JobBlock) -> None:
        """Add the keys of successive rows. Those that are not the job's own count too, but
        identify no record of the job."""
        for target, texts in block.keys.items():
            is_counted = texts.is_valid()
            hashes = hashes_of(target, texts.filter(is_counted))
            is_own = block.is_own.filter(is_counted)
            self._keys[target].add(hashes, block.numbers.filter(is_counted), is_own)

    def suspects(self) -> dict[str, "array[int]"]:
        """{target key: rows whose key has the hash of another key}, ascending."""
        found = {target: keys.repeated() for target, keys in self._keys.items()}
        return {target: rows for target, rows in found.items() if rows}

    def of_records(self) -> Iterator[HashedKeys]:
        """The keys that identify the records of the job's own rows, ascending."""
        if self._key_of_records in self._keys:
            yield from self._keys[self._key_of_records].own_parts()


class _Keys:
    """Those of one target, by the first bits of their hashes: sorting small parts is faster, and
    two threads can do it."""

    def __init__(self) -> None:
        self._parts: list[list[pa.RecordBatch]] = [[] for _ in range(1 << PART_BITS)]

    def add(
        self, hashes: pa.Int64Array, rows: pa.Int64Array, is_own: pa.BooleanArray
    ) -> None:
        keys = pa.record_batch([hashes, rows, is_own], names=["hash", "row", "is_own"])
        part_of_each = pc.shift_right(hashes, HASH_BITS - PART_BITS)
        for number, part in enumerate(self._parts):
            part.append(keys.filter(pc.equal(part_of_each, number)))

    def repeated(self) -> "array[int]":
        """The rows whose hash another row has."""
        found = []
        for part in self._sorted:
            hashes = part["hash"].combine_chunks()
            is_like_next = pc.equal(hashes[1:], hashes[:-1])
            places = pc.indices_nonzero(is_like_next).to_pylist()
            members = {*places, *(place + 1 for place in places)}
            found += part["row"].take(pa.array(members, pa.int64())).to_pylist()
        return array("q", sorted(found))

    def own_parts(self) -> Iterator[HashedKeys]:
        """The hashes of own rows, ascending."""
        keys = pa.concat_tables(self._sorted)
        own = keys.filter(keys["is_own"]).combine_chunks()
        for part in own.to_batches(record_order.KEYS_PER_PART):
            yield _integers(part["hash"]), _integers(part["row"])

    @cached_property
    def _sorted(self) -> list[pa.Table]:
        """Once all keys are added."""
        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(_taken_sorted, self._parts))


def _taken_sorted(part: list[pa.RecordBatch]) -> pa.Table:
    """The keys of a part, ascending. Empties the part."""
    keys = pa.Table.from_batches(part).combine_chunks()
    part.clear()
    order = pc.array_sort_indices(keys["hash"].chunk(0))
    return keys.take(order)


def _integers(found: pa.Int64Array) -> "array[int]":
    content = memoryview(found.buffers()[1]).cast("q")
    return array("q", content[found.offset : found.offset + len(found)].tobytes())


class Repeats:
    """The rows whose key an earlier row of the file has."""

    def __init__(self, job: Job, rows: Mapping[str, RowPairs] | None = None) -> None:
        self._columns = {target: column for column, target in job.mapping.items()}
        self._first_rows: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._first_sharing: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._sharing: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.rows: dict[str, RowPairs] = dict(rows or {})
        """Those without other problems."""

    @property
    def sharing(self) -> dict[str, RowPairs]:
        """All rows that have a key in common with another row."""
        found = {}
        for target, first_rows in self._sharing.items():
            rows = array("q", sorted(first_rows))
            found[target] = (rows, array("q", (first_rows[row] for row in rows)))
        return found

    def find(
        self,
        block: JobBlock,
        suspects: Mapping[str, "array[int]"],
        is_good: pa.BooleanArray,
    ) -> None:
        """Compare the keys of the rows that `FileKeys.suspects` has with each other and with
        those of earlier rows. `is_good`: whether each row of the block has no other
        problem."""
        for target, numbers in suspects.items():
            repeated, first_rows = self.rows.setdefault(
                target, (array("q"), array("q"))
            )
            seen = self._first_rows[target]
            for index, row in block.find(numbers):
                key = block.keys[target][index].as_py()
                self._share(target, key, row)
                if not is_good[index].as_py():
                    continue
                first_row = seen.setdefault(key, row)
                if first_row != row:
                    repeated.append(row)
                    first_rows.append(first_row)

    def _share(self, target: str, key: str, row: int) -> None:
        first_row = self._first_sharing[target].setdefault(key, row)
        if first_row != row:
            self._sharing[target][first_row] = first_row
            self._sharing[target][row] = first_row

    def mark(self, block: JobBlock) -> None:
        """Add a problem to each row for each key that an earlier row has."""
        for target, (repeated, first_rows) in self.rows.items():
            for index, row in block.find(repeated):
                first_row = first_rows[bisect_left(repeated, row)]
                key = block.keys[target][index].as_py()
                if key is not None:
                    problem = self.problem(row, target, key, first_row)
                    block.add_problem(index, problem)

    def problem(self, row: int, target: str, value: str, first_row: int) -> Problem:
        what = f"is already the {KEY_LABELS[target]} of"
        found = ValueProblem(
            f"{CODE_PREFIX}{target}",
            f"{what} row {first_row}",
            FIX,
            text=value,
            kind=f"{what} an earlier row",
        )
        return problem_of(found, row, self._columns.get(target, ""), value)


def are_of_keys(problems: list[Problem]) -> bool:
    """Whether the problems of a row are only that it repeats keys."""
    return problems[0].code.startswith(CODE_PREFIX)
