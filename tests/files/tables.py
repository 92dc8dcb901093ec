"""Tables as check and planning read them."""

import io
from dataclasses import dataclass
from typing import BinaryIO

from jobsui.files.formats import format_named
from jobsui.files.layout import Layout, Notice, Row
from jobsui.files.staging import Writer
from jobsui.files.table import open_staged
from jobsui.files.table_reader import TableReader


@dataclass(frozen=True, slots=True)
class ReadTable:
    columns: list[str]
    rows: list[Row]
    notices: list[Notice]


def read_table(stream: BinaryIO, layout: Layout) -> ReadTable:
    """The table of a file after it was staged."""
    stream.seek(0)
    reader = TableReader(format_named(layout.format).read(stream, layout))
    out = io.BytesIO()
    writer = Writer(out)
    for block in reader.blocks():
        writer.add(block)
    writer.finish(reader.columns)
    table = open_staged(out)
    return ReadTable(table.columns, list(table.rows), reader.notices)
