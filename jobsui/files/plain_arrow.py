"""pyarrow's parser of delimited text, for the pieces that it reads as `csv.reader` does."""

import re
import sys

import pyarrow as pa
from pyarrow import csv as arrow_csv

from jobsui.files.records import Dialect

BYTE_ORDER_MARK = "\ufeff".encode()


class PlainArrow:
    """pyarrow's parser for one dialect, and which pieces it reads as `csv.reader` does."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        delimiter = re.escape(dialect.delimiter.encode())
        quote = re.escape((dialect.quote or '"').encode())
        # Each quotation mark begins or ends a cell, or is one of two inside.
        self._well_formed = re.compile(
            rb"(?:[^%(quote)b]*+(?<![^%(delimiter)b\r\n])%(quote)b"
            rb"(?:[^%(quote)b]++|%(quote)b%(quote)b)*+%(quote)b"
            rb"(?![^%(delimiter)b\r\n]))*+[^%(quote)b]*+"
            % {b"quote": quote, b"delimiter": delimiter}
        )

    def reads(self, piece: bytes, end: int = sys.maxsize) -> bool:
        """Whether Arrow reads the piece up to `end` as `csv.reader` does."""
        # Arrow takes a zero width space at the beginning for a byte order mark.
        if piece.startswith(BYTE_ORDER_MARK):
            return False
        quote = self._dialect.quote.encode()
        has_quotes = bool(quote) and quote in piece
        return not has_quotes or self._well_formed.fullmatch(piece, 0, end) is not None

    def parse(
        self, piece: bytes, width: int
    ) -> tuple[pa.Table, list[arrow_csv.InvalidRow]]:
        others: list[arrow_csv.InvalidRow] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            others.append(row)
            return "skip"

        names = [str(index) for index in range(width)]
        table = arrow_csv.read_csv(
            pa.BufferReader(piece),
            # Threads make the other rows anonymous.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=len(piece) + 1, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._dialect.delimiter,
                quote_char=self._dialect.quote or False,
                newlines_in_values=bool(self._dialect.quote),
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
                null_values=[],
            ),
        )
        return table, others


def plain_arrow(dialect: Dialect) -> PlainArrow | None:
    """None for a dialect that pyarrow cannot read."""
    is_plain = dialect.delimiter.isascii() and not dialect.escape
    return PlainArrow(dialect) if is_plain else None


def require_utf8(data: bytes) -> None:
    """Raises pa.ArrowInvalid. This is several times as fast as decoding the data."""
    offsets = pa.array([0, len(data)], pa.int32()).buffers()[1]
    buffers = [None, offsets, pa.py_buffer(data)]
    pa.Array.from_buffers(pa.binary(), 1, buffers).cast(pa.string())
