"""Keys that appear twice in a file."""

import contextlib
import hashlib
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from jobsui.jobs.mapping import values
from jobsui.jobs.mapping.row_reader import Item, Problem, shown

KEY_LABELS = {"id": "Zendesk ID", "external_id": "External ID", "name": "Name"}
FIX = "Keep one of the rows: Zendesk may apply them in any order."
CREATE_TABLE = (
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000; BEGIN;"
    "CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER) WITHOUT ROWID"
)


class DuplicateKeys:
    """Which row of a file has a key first. Kept on disk, so that memory does not grow
    with the file."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        """`columns`: {target key: column}."""
        self._columns = columns

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

    def add(self, item: Item) -> list[Problem]:
        """A problem for each key of the item that an earlier row has. The others belong
        to the item's row from now on."""
        problems = []
        for target, value in item.keys:
            first_row = self._first_row(target, value, item.row)
            if first_row is not None:
                problems.append(self._problem(item, target, value, first_row))
        return problems

    def _first_row(self, target: str, value: str, row: int) -> int | None:
        """The earlier row that has this key. None: there was none, now it is `row`."""
        text = f"{target}\x00{value}".encode()
        key = hashlib.blake2b(text, digest_size=16).digest()
        self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, row))
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
