"""The keys in a file: which appear twice, and which identify the records of a job."""

import contextlib
import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from jobsui.jobs.enums import Action
from jobsui.jobs.ledger import record_order
from jobsui.jobs.ledger.record_order import HashedKey
from jobsui.jobs.mapping import values
from jobsui.jobs.mapping.row_reader import Item, Problem, shown
from jobsui.jobs.models import Job

KEY_LABELS = {"id": "Zendesk ID", "external_id": "External ID", "name": "Name"}
FIX = "Keep one of the rows: Zendesk may apply them in any order."
CREATE_TABLE = (
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000; BEGIN;"
    "CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER, identifies INTEGER)"
    " WITHOUT ROWID"
)


def digest_of(target: str, value: str) -> bytes:
    text = f"{target}\x00{value}".encode()
    return hashlib.blake2b(text, digest_size=16).digest()


class FileKeys:
    """Which row of a file has a key first. Kept on disk, so that memory does not grow
    with the file."""

    def __init__(self, job: Job) -> None:
        self._columns = {target: column for column, target in job.mapping.items()}
        self._key_of_records = Action(job.action).key_of_records

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        database = sqlite3.connect(Path(folder) / "keys", isolation_level=None)
        self._stack.callback(database.close)
        self._seen = database.cursor()
        self._seen.executescript(CREATE_TABLE)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def add(self, item: Item, *, is_sent: bool) -> list[Problem]:
        """A problem for each key of the item that an earlier row has. The others belong
        to the item's row from now on. `is_sent`: whether the job sends the row."""
        problems = []
        for target, value in item.keys:
            identifies = is_sent and target == self._key_of_records
            first_row = self._first_row(target, value, item.row, identifies)
            if first_row is not None:
                problems.append(self._problem(item, target, value, first_row))
        return problems

    def of_records(self) -> Iterator[HashedKey]:
        """The keys that identify the records of the rows that are sent, ascending."""
        self._seen.execute("SELECT key, row FROM seen WHERE identifies ORDER BY key")
        for digest, row in self._seen:
            yield record_order.short_hash(digest), row

    def _first_row(
        self, target: str, value: str, row: int, identifies: bool
    ) -> int | None:
        """The earlier row that has this key. None: there was none, now it is `row`."""
        key = digest_of(target, value)
        self._seen.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (key, row, identifies)
        )
        if self._seen.rowcount:
            return None
        self._seen.execute("SELECT row FROM seen WHERE key = ?", (key,))
        first_row: int = self._seen.fetchone()[0]
        return first_row

    def _problem(self, item: Item, target: str, value: str, first_row: int) -> Problem:
        what = f"is already the {KEY_LABELS[target]} of"
        found = values.problem(
            f"duplicate_{target}", value, f"{what} row {first_row}", FIX
        )
        return Problem(
            row=item.row,
            column=self._columns.get(target, ""),
            value=shown(value),
            code=found.code,
            message=found.message,
            fix=FIX,
            kind=f"The value {what} an earlier row, for example “{shown(value)}”.",
        )
