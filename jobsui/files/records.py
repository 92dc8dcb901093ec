"""Records of delimited text one after the other, in pure Python: for the few places of a
file that a fast parser cannot read, and for its first lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_CELL = 131_072
MAX_LONG_CELLS = 20
"""How many cells longer than MAX_CELL are followed to their end. The search is slow, and
where a quotation mark is never closed it finds nothing."""
UNCLOSED_QUOTE = "unclosed_quote"
STRAY_QUOTE = "stray_quote"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells and records are separated."""

    delimiter: str
    quote: str = '"'
    """"" where quotation marks have no meaning."""
    escape: str = ""
    """The character that takes the meaning of the next one. "": quotation marks inside
    quoted cells are doubled."""


@dataclass(frozen=True, slots=True)
class Record:
    cells: list[str]
    end: int
    """Where the next record begins."""
    line_end: str
    """"" at the end of the text."""
    fault: str = ""
    """UNCLOSED_QUOTE or STRAY_QUOTE: the record is its first line only, split at each
    delimiter."""
    is_plain: bool = True
    """Whether quotation marks are only where a quoted cell begins or ends."""


class Scanner:
    """Reads records of a dialect as `csv.reader(strict=True)` does. It continues in the
    next line after a record with a fault."""

    def __init__(self, dialect: Dialect) -> None:
        delimiter = re.escape(dialect.delimiter)
        quote = re.escape(dialect.quote or '"')
        escape = re.escape(dialect.escape)
        self._dialect = dialect
        if escape:
            self._plain = re.compile(
                rf"(?:[^{delimiter}\r\n{escape}]++|{escape}.)*+", re.S
            )
            self._quoted = re.compile(
                rf"{quote}((?:[^{quote}{escape}]++|{escape}.)*+){quote}", re.S
            )
            self._escaped = re.compile(rf"{escape}([{escape}{quote}{delimiter}\r\n])")
        else:
            self._plain = re.compile(rf"[^{delimiter}\r\n]*+")
            self._quoted = re.compile(
                rf"{quote}((?:[^{quote}]++|{quote}{quote})*+){quote}"
            )
        self._line = re.compile(r"[^\r\n]*+")
        self._long_cells = 0

    def records(self, text: str, *, is_last: bool) -> Iterator[Record]:
        """The complete records of a text that begins with one. Unless the text is the
        last one, a record that may continue behind it is left out."""
        start = 0
        while start < len(text):
            record = self._record(text, start, is_last=is_last)
            if record is None:
                return
            yield record
            start = record.end

    def _record(self, text: str, start: int, *, is_last: bool) -> Record | None:
        delimiter = self._dialect.delimiter
        quote = self._dialect.quote
        cells: list[str] = []
        is_plain = True
        position = start
        line_end = _end(self._line, text, start)
        has_quotes = bool(quote) and text.find(quote, start, line_end) >= 0
        if not has_quotes and not self._dialect.escape:
            cells = text[start:line_end].split(delimiter)
            if line_end == len(text):
                return Record(cells, line_end, "", "", is_plain) if is_last else None
            return self._ended(text, line_end, cells, is_plain, is_last=is_last)
        while True:
            if quote and text.startswith(quote, position):
                match = self._quoted_cell(text, position)
                if match is None:
                    is_bounded = len(text) - position > 2 * MAX_CELL + 2
                    if not is_last and not is_bounded:
                        return None
                    return self._faulty(text, start, UNCLOSED_QUOTE, is_last=is_last)
                end = match.end()
                cell = self._unescaped(match[1])
            else:
                end = _end(self._plain, text, position)
                cell = text[position:end]
                is_plain = is_plain and not (quote and quote in cell)
                if self._dialect.escape:
                    cell = self._unescaped(cell)
            cells.append(cell)
            position = end
            if position == len(text):
                return Record(cells, position, "", "", is_plain) if is_last else None
            if text[position] == delimiter:
                position += 1
                continue
            if text[position] not in "\r\n":
                return self._faulty(text, start, STRAY_QUOTE, is_last=is_last)
            return self._ended(text, position, cells, is_plain, is_last=is_last)

    def _quoted_cell(self, text: str, position: int) -> re.Match[str] | None:
        bound = position + 2 * MAX_CELL + 2
        match = self._quoted.match(text, position, bound)
        is_cut = match is not None and match.end() == bound
        if (match is None or is_cut) and bound < len(text):
            self._long_cells += 1
            if self._long_cells <= MAX_LONG_CELLS:
                return self._quoted.match(text, position)
        return match

    def _unescaped(self, cell: str) -> str:
        if self._dialect.escape:
            return self._escaped.sub(r"\1", cell)
        quote = self._dialect.quote
        return cell.replace(quote * 2, quote)

    def _ended(
        self,
        text: str,
        position: int,
        cells: list[str],
        is_plain: bool,
        *,
        is_last: bool,
    ) -> Record | None:
        """The record whose line end is at `position`."""
        if text.startswith("\r\n", position):
            return Record(cells, position + 2, "\r\n", "", is_plain)
        if text[position] == "\r" and position + 1 == len(text) and not is_last:
            return None
        return Record(cells, position + 1, text[position], "", is_plain)

    def _faulty(
        self, text: str, start: int, fault: str, *, is_last: bool
    ) -> Record | None:
        end = _end(self._line, text, start)
        if text.startswith("\r\n", end):
            line_end = "\r\n"
        else:
            line_end = text[end : end + 1]
        after = end + len(line_end)
        if after == len(text) and line_end != "\n" and not is_last:
            return None
        cells = text[start:end].split(self._dialect.delimiter)
        return Record(cells, after, line_end, fault, is_plain=False)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where the longest match that begins at `position` ends."""
    match = pattern.match(text, position)
    return match.end() if match else position
