"""The keys in a file: which appear twice, and which identify the records of a job.

Workers only: it imports pyarrow."""

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from operator import methodcaller

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.jobs.enums import Action
from jobsui.jobs.ledger import record_order
from jobsui.jobs.ledger.record_order import HashedKeys
from jobsui.jobs.mapping import types
from jobsui.jobs.mapping.row_reader import Problem, shown
from jobsui.jobs.models import Job
from jobsui.jobs.models.repeated_keys import RowPairs
from jobsui.jobs.preparation.job_blocks import JobBlock

KEY_LABELS = {"id": "Zendesk ID", "external_id": "External ID", "name": "Name"}
FIX = "Keep one of the rows: Zendesk may apply them in any order."
CODE_PREFIX = "duplicate_"
"""Begins the codes of problems of repeated keys."""


def digest_of(target: str, value: str) -> bytes:
    text = f"{target}\x00{value}".encode()
    return hashlib.blake2b(text, digest_size=16).digest()


class FileKeys:
    """The keys of all rows, as hashes: 16 bytes a key. Those of rows with other problems
    count too, because a person may correct these."""

    def __init__(self, job: Job) -> None:
        self._key_of_records = Action(job.action).key_of_records
        self._hashes: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._rows: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._record_hashes = array("q")
        self._record_rows = array("q")

    def add(self, block: JobBlock) -> None:
        """Add the keys of successive rows. Those that are not the job's own count too, but
        identify no record of the job."""
        for target, keys in block.keys.items():
            is_counted = keys.is_valid()
            texts = keys.filter(is_counted).to_pylist()
            numbers = block.numbers.filter(is_counted)
            self._hashes[target].extend(map(hash, texts))
            self._rows[target].extend(numbers.to_pylist())
            if target == self._key_of_records:
                own = block.own_numbers(is_counted)
                self._add_records(texts, own)

    def suspects(self) -> dict[str, "array[int]"]:
        """{target key: rows whose key has the hash of another key}, ascending."""
        found = {}
        for target, hashes in self._hashes.items():
            if rows := _rows_of_repeated(hashes, self._rows[target]):
                found[target] = rows
        return found

    def of_records(self) -> Iterator[HashedKeys]:
        """The keys that identify the records of the job's own rows, ascending."""
        hashes = pa.array(self._record_hashes, pa.int64())
        rows = pa.array(self._record_rows, pa.int64())
        order = pc.array_sort_indices(hashes)
        for start in range(0, len(order), record_order.KEYS_PER_PART):
            part = order.slice(start, record_order.KEYS_PER_PART)
            yield hashes.take(part).to_pylist(), rows.take(part).to_pylist()

    def _add_records(self, keys: list[str], rows: list[int | None]) -> None:
        """`rows`: None where the job does not send the row."""
        own = [row for row in rows if row is not None]
        if len(own) < len(rows):
            pairs = zip(keys, rows, strict=True)
            keys = [key for key, row in pairs if row is not None]
        digests = _short_digests(self._key_of_records, keys)
        self._record_hashes.extend(number >> 1 for number in digests)
        self._record_rows.extend(own)


def _short_digests(target: str, keys: list[str]) -> "array[int]":
    """The first 64 bits of the digest of each key."""
    prefix = f"{target}\x00".encode()
    # Without a loop of Python's: there is one for each row.
    texts = map(prefix.__add__, map(str.encode, keys))
    hashes = map(partial(hashlib.blake2b, digest_size=16), texts)
    digests = b"".join(map(methodcaller("digest"), hashes))
    numbers = array("Q", digests)[::2]
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


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

    def find(self, block: JobBlock, suspects: Mapping[str, "array[int]"]) -> None:
        """Compare the keys of the rows that `FileKeys.suspects` has with each other and with
        those of earlier rows."""
        is_good = block.is_good
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
                    problem = self._problem(row, target, key, first_row)
                    block.add_problem(index, problem)

    def _problem(self, row: int, target: str, value: str, first_row: int) -> Problem:
        what = f"is already the {KEY_LABELS[target]} of"
        found = types.problem(
            f"{CODE_PREFIX}{target}", value, f"{what} row {first_row}", FIX
        )
        return Problem(
            row=row,
            column=self._columns.get(target, ""),
            value=shown(value),
            code=found.code,
            message=found.message,
            fix=FIX,
            kind=f"The value {what} an earlier row, for example “{shown(value)}”.",
        )


def are_of_keys(problems: list[Problem]) -> bool:
    """Whether the problems of a row are only that it repeats keys."""
    return problems[0].code.startswith(CODE_PREFIX)


def _rows_of_repeated(hashes: "array[int]", rows: "array[int]") -> "array[int]":
    found = pa.array(hashes, pa.int64())
    order = pc.array_sort_indices(found)
    ascending = found.take(order)
    is_like_next = pc.equal(ascending[1:], ascending[:-1])
    places = pc.indices_nonzero(is_like_next).to_pylist()
    members = sorted({*places, *(place + 1 for place in places)})
    indexes = order.take(pa.array(members, pa.int64())).to_pylist()
    return array("q", sorted(rows[index] for index in indexes))
