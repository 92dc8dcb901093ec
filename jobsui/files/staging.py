"""Staged tables: what check, planning and exports read instead of the uploaded file, the same
for all formats.

A staged file has three parts:

- MAGIC.
- The blocks, each by itself: an Arrow IPC stream with one record batch, compressed with
  LZ4, and behind it the odd rows as compressed JSON. The batch has the field "numbers"
  unless these count up from the block's first row, and for each column that has cells in
  this block the field "0" (its texts) and, unless all cells are TEXT, "0 kinds".
- The index as JSON, its length and checksum, and MAGIC.

Workers only: it imports pyarrow."""

import json
import struct
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

from jobsui.files.cells import Block, Column, Kind, absent_column
from jobsui.files.errors import FileRefused
from jobsui.files.layout import OddCells

MAGIC = b"jobsui\x00\x01"
"""The last byte is the version."""
TRAILER = struct.Struct(f"<QI{len(MAGIC)}s")
"""Length and checksum of the index, MAGIC."""
INCOMPLETE = "The stored file is gone or incomplete. Upload it again."
NUMBERS = "numbers"
WRITE_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """What the index has about a block."""

    offset: int
    """Where its batch begins in the file."""
    batch_bytes: int
    odd_bytes: int
    checksum: int
    first_row: int
    """The lowest number of its rows, odd ones included."""
    last_row: int
    rows: int
    """Without the odd ones."""
    odd_rows: int


class Writer:
    """Writes a table while it is read."""

    def __init__(self, out: BinaryIO) -> None:
        """`out` is empty."""
        self._out = out
        self._entries: list[BlockEntry] = []
        out.write(MAGIC)
        self._offset = len(MAGIC)

    def add(self, block: Block) -> None:
        if not len(block.numbers) and not block.odd:
            return
        first_row, last_row = _ends(block)
        batch = _packed(block, first_row)
        odd = _packed_odd(block.odd)
        entry = BlockEntry(
            offset=self._offset,
            batch_bytes=len(batch),
            odd_bytes=len(odd),
            checksum=isal_zlib.crc32(odd, isal_zlib.crc32(batch)),
            first_row=first_row,
            last_row=last_row,
            rows=len(block.numbers),
            odd_rows=len(block.odd),
        )
        self._out.write(batch)
        self._out.write(odd)
        self._offset += entry.batch_bytes + entry.odd_bytes
        self._entries.append(entry)

    def finish(self, columns: list[str]) -> None:
        """`columns` are the names of all columns."""
        index = {
            "columns": columns,
            "blocks": [list(asdict(entry).values()) for entry in self._entries],
        }
        data = json.dumps(index).encode()
        self._out.write(data)
        self._out.write(TRAILER.pack(len(data), isal_zlib.crc32(data), MAGIC))
        self._out.flush()


class Staged:
    """A staged table. Every function may raise FileRefused, if the file is damaged."""

    columns: list[str]
    entries: list[BlockEntry]

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        try:
            index = _index(stream)
            self.columns = index["columns"]
            self.entries = [BlockEntry(*values) for values in index["blocks"]]
        except (ValueError, KeyError, TypeError, OSError, struct.error):
            raise FileRefused(INCOMPLETE) from None

    def blocks(self, after: int = 0) -> Iterator[Block]:
        """The blocks with rows behind row `after`, each with exactly one Column for each of
        `columns`."""
        for entry in self.entries:
            if entry.last_row > after:
                yield self.block(entry)

    def block(self, entry: BlockEntry, only: Collection[int] | None = None) -> Block:
        """`only`: the other columns are not unpacked, and have ABSENT cells."""
        batch, odd = self._content(entry)
        try:
            found = _unpacked(batch, entry, only)
            # One for all, because there may be a thousand.
            absent = absent_column(entry.rows)
            columns = [
                found.column(index) or absent for index in range(len(self.columns))
            ]
            return Block(found.numbers, tuple(columns), _unpacked_odd(odd))
        except (pa.ArrowException, ValueError, OSError):
            raise FileRefused(INCOMPLETE) from None

    def column(self, index: int) -> Iterator[tuple[pa.Int64Array, Column]]:
        """(row numbers, cells) of each block, for one column. The other columns are not
        unpacked."""
        for entry in self.entries:
            yield self.column_of(entry, index)

    def column_of(self, entry: BlockEntry, index: int) -> tuple[pa.Int64Array, Column]:
        """`column`, of one block."""
        batch, _ = self._content(entry)
        try:
            found = _unpacked(batch, entry, [index])
        except (pa.ArrowException, ValueError, OSError):
            raise FileRefused(INCOMPLETE) from None
        return found.numbers, found.column(index) or absent_column(entry.rows)

    def _content(self, entry: BlockEntry) -> tuple[memoryview, memoryview]:
        """The batch and the odd rows."""
        self._stream.seek(entry.offset)
        data = memoryview(self._stream.read(entry.batch_bytes + entry.odd_bytes))
        # Arrow trusts its input: damaged lengths could end the process.
        if isal_zlib.crc32(data) != entry.checksum:
            raise FileRefused(INCOMPLETE)
        return data[: entry.batch_bytes], data[entry.batch_bytes :]


@dataclass(frozen=True, slots=True)
class _Batch:
    numbers: pa.Int64Array
    arrays: dict[str, pa.Array]

    def column(self, index: int) -> Column | None:
        texts = self.arrays.get(_texts_field(index))
        if texts is None:
            return None
        return Column(texts, self.arrays.get(_kinds_field(index)))


def _texts_field(index: int) -> str:
    return str(index)


def _kinds_field(index: int) -> str:
    return f"{index} kinds"


def _index(stream: BinaryIO) -> dict[str, Any]:
    """Raises ValueError, OSError and struct.error."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - TRAILER.size))
    length, checksum, magic = TRAILER.unpack(stream.read(TRAILER.size))
    start = size - TRAILER.size - length
    if magic != MAGIC or start < len(MAGIC):
        raise ValueError("not a staged file")
    stream.seek(start)
    data = stream.read(length)
    if isal_zlib.crc32(data) != checksum:
        raise ValueError("damaged index")
    index: dict[str, Any] = json.loads(data)
    return index


def _ends(block: Block) -> tuple[int, int]:
    """The lowest and the highest row number."""
    numbers = [number for number, _ in (*block.odd[:1], *block.odd[-1:])]
    if len(block.numbers):
        numbers += [block.numbers[0].as_py(), block.numbers[-1].as_py()]
    return min(numbers), max(numbers)


def _packed(block: Block, first_row: int) -> pa.Buffer:
    """An Arrow IPC stream of the columns."""
    arrays: dict[str, pa.Array] = {}
    if not _are_successive(block.numbers, first_row):
        arrays[NUMBERS] = block.numbers
    for index, column in enumerate(block.columns):
        if _is_absent(column):
            continue
        arrays[_texts_field(index)] = column.texts
        if column.kinds is not None:
            arrays[_kinds_field(index)] = column.kinds
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=WRITE_OPTIONS) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _are_successive(numbers: pa.Int64Array, first_row: int) -> bool:
    """Whether these ascending numbers are `first_row` and the next ones."""
    if not len(numbers):
        return True
    is_first = numbers[0].as_py() == first_row
    return bool(is_first and numbers[-1].as_py() - first_row + 1 == len(numbers))


def _is_absent(column: Column) -> bool:
    """Whether no row has a cell in this column."""
    kinds = column.kinds
    if kinds is None or not len(kinds) or kinds[0].as_py() != Kind.ABSENT:
        return False
    return pc.all(pc.equal(kinds, Kind.ABSENT)).as_py() is True


def _unpacked(
    data: memoryview, entry: BlockEntry, only: Collection[int] | None = None
) -> _Batch:
    fields = None if only is None else _fields_of(data, only)
    options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
    with pa.ipc.open_stream(data, options=options) as stream:
        batch = stream.read_next_batch()
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    numbers = arrays.get(NUMBERS)
    if numbers is None:
        numbers = pa.arange(entry.first_row, entry.first_row + entry.rows)
    return _Batch(numbers, arrays)


def _fields_of(data: memoryview, columns: Collection[int]) -> list[int]:
    """The positions of the fields that are needed for some columns."""
    texts = map(_texts_field, columns)
    wanted = {NUMBERS, *texts, *map(_kinds_field, columns)}
    with pa.ipc.open_stream(data) as stream:
        names = stream.schema.names
    return [index for index, name in enumerate(names) if name in wanted]


def _packed_odd(odd: tuple[tuple[int, OddCells], ...]) -> bytes:
    if not odd:
        return b""
    rows = [
        [number, list(cells), cells.code, cells.reason, cells.fix]
        for number, cells in odd
    ]
    return isal_zlib.compress(json.dumps(rows).encode(), 1)


def _unpacked_odd(data: memoryview) -> tuple[tuple[int, OddCells], ...]:
    if not data:
        return ()
    rows = json.loads(isal_zlib.decompress(data))
    return tuple(
        (number, OddCells(cells, code=code, reason=reason, fix=fix))
        for number, cells, code, reason, fix in rows
    )
