"""The cells of a sheet, some thousands at a time, in memory that does not grow.

Arrow cuts the XML into cells by patterns: there is no parser that could expand an entity, and
no size that the sheet states is believed. A piece that is written in an unusual way goes
through a parser, which is five times slower."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from xml.parsers import expat

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Kind
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS
from jobsui.files.xlsx.number_formats import GENERAL, NumberFormat, Value, value_of
from jobsui.files.xlsx.parts import xml_parser
from jobsui.files.xlsx.plain_xml import plain_xml, prefix_of, without_prefix
from jobsui.files.xlsx.strings import MAX_CELL, SharedStrings, decoded, text_array

FIRST_PIECE_BYTES = 1 << 16
"""Small, so that the beginning of a sheet is known at once."""
PIECE_BYTES = 2 << 20
MAX_ROW_BYTES = 16 * 1024**2
MAX_ROWS = 1_048_576
MAX_SHEET_COLUMNS = 18_278
"""Up to column ZZZ."""
KEY_WIDTH = 1 << 20
MAX_PORTION_BYTES = 64 * 1024**2
"""Of the texts of a piece, which may refer to one long string many times."""
MAX_MEMO = 20_000
MAX_TAG_BYTES = 1000
MAX_DEPTH = 50
"""Of elements inside of a row."""
MAX_PREAMBLE_BYTES = 16 * 1024**2

# No pattern looks beyond the next "<", so that none takes a time that is quadratic.
SHEET_DATA = re.compile(rb"<(?:[\w.-]{1,50}:)?sheetData\b[^<>]*?(/?)>")
END = b"</sheetData>"
COLUMN = re.compile(rb"<(?:[\w.-]{1,50}:)?col\b[^<>]*>")
HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
ROW = re.compile(rb"<row\b[^<>]*>")
MERGED = re.compile(rb"<(?:[\w.-]{1,50}:)?mergeCell\b[^<>]*>")
ROW_NUMBER = re.compile(rb'\br="([0-9]{1,7})"')
LAST_MERGED_ROW = re.compile(rb'\bref="[A-Z]+[0-9]+:[A-Z]+([0-9]{1,7})"')
REFERENCE = re.compile("([A-Za-z]{1,3})([0-9]+)")

PLAIN_START = "<v>"
PLAIN_END = "</v></c>"
TAIL = r"\s*(?:</row>(?:\s*(?:<row [^>]*>|</row>))*\s*)?$"
"""What may follow a cell, up to the next one."""
CONTENT = (
    r"^(?P<formula><f)?(?:(?: [^>]*)?(?:/>|>[^<]*</f>))?"
    r"(?:<v/>|<is><t/></is>"
    r'|(?:<v>|<v xml:space="preserve">|<is><t>|<is><t xml:space="preserve">)'
    r"(?P<text>[^<]*)(?:</v>|</t></is>))?</c>"
) + TAIL
BETWEEN_ROWS = re.compile(r"(?:\s*(?:<row [^>]*>|</row>))*+\s*")
"""A row without a number is left to the parser."""
ATTRIBUTE = re.compile(r' (?:s="([0-9]{1,6})"|t="([A-Za-z]+)"|(?:cm|vm|ph)="[^"]*")')
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLUMN_LETTERS = re.compile("[A-Z]{1,3}")

PLAIN_NUMBER = r"^(?:-?(?:0|[1-9][0-9]*)|-?(?:0|[1-9][0-9]{0,7})\.[0-9]{0,6}[1-9])?$"
"""A number that is its own text. Others have more digits than a spreadsheet shows, an
exponent, or trailing zeros."""
NUMBERS = pa.array(["", "n"])
TRUE = pa.array(["1", "true"])
KINDS = {
    "": Kind.NUMBER,
    "n": Kind.NUMBER,
    "b": Kind.BOOLEAN,
    "d": Kind.DATE,
    "e": Kind.ERROR,
}
"""By a cell's type. Others are TEXT."""
MIDNIGHT = r"T00:00:00(?:\.0+)?Z?$"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row cannot be read."""

    code: str
    reason: str
    fix: str


LONG_CELL = Reason(
    "cell_length",
    f"A cell has more than {MAX_CELL:,} characters.",
    "Shorten its text.",
)
LONG_ROW = Reason(
    "row_size",
    f"The row has more than {MAX_ROW_BYTES >> 20} MB of text.",
    "Shorten its texts.",
)
DOUBLE_CELL = Reason(
    "double_cell",
    "Two cells of the row are in the same column.",
    "Open the workbook in a spreadsheet program, correct the row and save it.",
)
MISSING_TEXT = Reason(
    "missing_text",
    "A cell refers to a text that is not in the workbook.",
    "Open the workbook in a spreadsheet program, correct the cell and save it.",
)


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of successive rows, those of a row together. Blank ones are left out."""

    rows: pa.Int64Array
    columns: pa.Int32Array
    """0 for A."""
    texts: pa.StringArray
    kinds: pa.Int8Array
    shown: pa.StringArray | None = None
    """What a spreadsheet shows, where it is not the text; None: nowhere."""
    odd: dict[int, Reason] = field(default_factory=dict)
    """By row."""
    hidden_rows: tuple[int, ...] = ()
    far: dict[int, int] = field(default_factory=dict)
    """Row -> how many cells it has beyond the last column that can be read."""

    def filter(self, mask: pa.BooleanArray) -> "Cells":
        """These cells only; `hidden_rows` and `far` stay with the others."""
        return Cells(
            self.rows.filter(mask),
            self.columns.filter(mask),
            self.texts.filter(mask),
            self.kinds.filter(mask),
            self.shown.filter(mask) if self.shown is not None else None,
            self.odd,
        )

    def row(self, number: int) -> "Cells":
        return self.filter(pc.equal(self.rows, number))


@dataclass(frozen=True, slots=True)
class _Raw:
    """Cells as the XML has them."""

    rows: pa.Int64Array
    columns: pa.Int32Array
    styles: pa.StringArray
    types: pa.StringArray
    formulas: pa.BooleanArray
    texts: pa.StringArray
    """Without escapes. The number of the text in a cell of type "s"."""

    def filter(self, mask: pa.BooleanArray) -> "_Raw":
        return self._with(lambda array: array.filter(mask))

    def slice(self, start: int, end: int) -> "_Raw":
        return self._with(lambda array: array.slice(start, end - start))

    def _with(self, change: Callable[[pa.Array], pa.Array]) -> "_Raw":
        return _Raw(
            change(self.rows),
            change(self.columns),
            change(self.styles),
            change(self.types),
            change(self.formulas),
            change(self.texts),
        )


@dataclass(slots=True)
class Budget:
    """How much text the cells of a workbook may have."""

    max_bytes: int
    bytes_read: int = 0

    def add(self, count: int, row: int) -> None:
        self.bytes_read += count
        if self.bytes_read > self.max_bytes:
            raise FileRefused(
                f"Up to row {row:,} the cells have more than {self.max_bytes >> 20:,} MB "
                "of text, far more than a file of this size usually has. Save the "
                "sheet as CSV, or upload it in smaller parts."
            )


class SheetReader:
    """One run through a sheet."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        strings: SharedStrings,
        formats: list[NumberFormat],
        budget: Budget,
        *,
        is_1904: bool = False,
    ) -> None:
        self.hidden_columns: list[range] = []
        """Known after the first cells."""
        self.merged_rows: list[int] = []
        """The last row of each merged area. Complete after the last cells."""
        self.rows_end = 0
        """The last row so far that has cells."""
        self.bytes_read = 0
        """So far."""
        self._chunks = plain_xml(chunks)
        self._strings = strings
        self._formats = formats
        special = (
            str(index) for index, form in enumerate(formats) if form is not GENERAL
        )
        self._special = pa.array(special, pa.string())
        self._budget = budget
        self._is_1904 = is_1904
        self._memo: dict[str, Value] = {}
        self._reasons: dict[int, Reason] = {}

    def cells(self) -> Iterator[Cells]:
        """Raises FileRefused with the row from which nothing reliable can be said."""
        for piece in self._pieces():
            hidden = _hidden_rows(piece)
            raw = self._raw(piece)
            is_near = pc.less(raw.columns, MAX_COLUMNS)
            far: dict[int, int] = {}
            if pc.all(is_near).as_py() is False:
                far = _filled_rows(raw.filter(pc.invert(is_near)))
                raw = raw.filter(is_near)
            for portion in self._portions(raw):
                yield replace(self._values(portion), hidden_rows=hidden, far=far)
                hidden = ()
                far = {}

    def _pieces(self) -> Iterator[bytes]:
        """Whole rows, without namespace prefixes."""
        rest, prefix, is_empty = self._preamble()
        if is_empty:
            return
        size = FIRST_PIECE_BYTES
        row = b"<" + prefix + b"row"
        end_tag = END.replace(b"</", b"</" + prefix)
        searched = 0
        while True:
            end = rest.find(end_tag, searched)
            if end >= 0:
                if end:
                    yield without_prefix(rest[:end], prefix)
                self._read_tail(rest[end:])
                return
            searched = max(len(rest) - len(end_tag), 0)
            cut = rest.rfind(row) if len(rest) >= size else 0
            if cut > 0:
                yield without_prefix(rest[:cut], prefix)
                rest = rest[cut:]
                searched = 0
                size = PIECE_BYTES
            elif len(rest) > MAX_ROW_BYTES:
                yield self._oversized(rest)
                rest = self._skip_row(row, end_tag)
                searched = 0
                continue
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self.bytes_read += len(chunk)
            rest += chunk
        end = rest.rfind(row)
        if end > 0:
            yield without_prefix(rest[:end], prefix)
        raise FileRefused(
            f"The sheet ends in the middle, {_behind(self.rows_end)}. Open the "
            "workbook in a spreadsheet program and save it again."
        )

    def _oversized(self, rest: bytes) -> bytes:
        """A row in the place of one that is too long."""
        tag, _, _ = rest.partition(b">")
        stated = ROW_NUMBER.search(tag)
        number = int(stated[1]) if stated else self.rows_end + 1
        self._reasons[number] = LONG_ROW
        return b'<row r="%d"><c r="A%d" t="str"><v>...</v></c></row>' % (number, number)

    def _skip_row(self, row: bytes, end_tag: bytes) -> bytes:
        """The next row's beginning, or what follows the last one."""
        rest = b""
        for chunk in self._chunks:
            rest += chunk
            starts = (rest.find(row), rest.find(end_tag))
            found = [start for start in starts if start >= 0]
            if found:
                return rest[min(found) :]
            rest = rest[-len(end_tag) :]
        return rest

    def _preamble(self) -> tuple[bytes, bytes, bool]:
        """What follows the start of the cells, the namespace prefix of the elements, and
        whether there are no cells."""
        beginning = b""
        for chunk in self._chunks:
            searched = max(len(beginning) - MAX_TAG_BYTES, 0)
            beginning += chunk
            self.bytes_read += len(chunk)
            if match := SHEET_DATA.search(beginning, searched):
                self._read_columns(beginning[: match.start()])
                is_empty = bool(match[1])
                return beginning[match.end() :], prefix_of(beginning), is_empty
            if len(beginning) > MAX_PREAMBLE_BYTES:
                break
        raise FileRefused(
            "The sheet is damaged: it has no list of cells. Open the workbook in a "
            "spreadsheet program and save it again."
        )

    def _read_columns(self, preamble: bytes) -> None:
        for match in COLUMN.finditer(preamble):
            first = re.search(rb'\bmin="([0-9]{1,5})"', match[0])
            last = re.search(rb'\bmax="([0-9]{1,5})"', match[0])
            if first and last and HIDDEN.search(match[0]):
                self.hidden_columns.append(range(int(first[1]) - 1, int(last[1])))

    def _read_tail(self, rest: bytes) -> None:
        """What follows the cells. A damaged one decides nothing."""
        for chunk in chain([b""], self._chunks):
            rest += chunk
            end = rest.rfind(b">") + 1
            for match in MERGED.finditer(rest, 0, end):
                if area := LAST_MERGED_ROW.search(match[0]):
                    self.merged_rows.append(int(area[1]))
            rest = rest[end:][:MAX_ROW_BYTES]

    def _raw(self, piece: bytes) -> _Raw:
        raw = self._by_patterns(piece)
        if raw is None:
            raw = _PieceParser(self.rows_end).parse(piece)
            self._reasons |= dict.fromkeys(_rows_with_doubles(raw), DOUBLE_CELL)
        if len(raw.rows):
            last = pc.max(raw.rows).as_py()
            if last > MAX_ROWS:
                raise FileRefused(
                    f"The sheet has more than {MAX_ROWS:,} rows (row {last:,}). Save it "
                    "again, or as CSV."
                )
            self.rows_end = max(last, self.rows_end)
        return raw

    def _by_patterns(self, piece: bytes) -> _Raw | None:
        """None for a piece that is written in an unusual way."""
        try:
            parts = pc.split_pattern(text_array(piece), '<c r="').values
            fragments = parts[1:]
            if not BETWEEN_ROWS.fullmatch(parts[0].as_py()):
                return None
            # Each is: A2" s="1" t="s"><v>0</v></c>
            heads, bodies = _split(fragments, ">")
            references, attributes = _split(heads, '"')
            rows, columns = _positions(references)
            styles, types, are_closed = _attributes(attributes)
            texts, formulas = _contents(bodies, are_closed)
        except (_Unusual, pa.ArrowInvalid):
            return None
        texts = decoded(texts, is_xml=True)
        raw = _Raw(rows, columns, styles, types, formulas, texts)
        return raw if _is_in_order(raw) else None

    def _portions(self, raw: _Raw) -> Iterator[_Raw]:
        """The cells, in portions whose texts fit into memory."""
        is_shared = pc.equal(raw.types, "s")
        if not pc.any(is_shared).as_py():
            yield raw
            return
        numbers = _text_numbers(raw, is_shared)
        self._strings.at_least((pc.max(numbers).as_py() or 0) + 1)
        if self._strings.longest * len(raw.rows) < MAX_PORTION_BYTES:
            yield raw
            return
        lengths = self._strings.lengths(numbers)
        rows = raw.rows.to_pylist()
        start = 0
        size = 0
        for index, length in enumerate(lengths):
            is_new_row = index > 0 and rows[index] != rows[index - 1]
            if is_new_row and size > MAX_PORTION_BYTES // 4:
                yield raw.slice(start, index)
                start = index
                size = 0
            size += length
        yield raw.slice(start, len(rows))

    def _values(self, raw: _Raw) -> Cells:
        texts = raw.texts
        odd = self._odd_rows(raw)
        kinds = _kinds(raw.types)
        is_number = pc.is_in(raw.types, NUMBERS)
        present = set(pc.unique(raw.types).to_pylist())
        if "s" in present:
            texts = self._with_shared(raw, odd)
        if "b" in present:
            words = pc.if_else(pc.is_in(texts, TRUE), "true", "false")
            is_word = pc.and_(pc.equal(raw.types, "b"), pc.not_equal(texts, ""))
            texts = pc.if_else(is_word, words, texts)
        if "d" in present:
            days = pc.replace_substring_regex(texts, MIDNIGHT, "")
            texts = pc.if_else(pc.equal(raw.types, "d"), days, texts)
        texts, kinds, shown = self._with_formats(raw, is_number, texts, kinds)
        if pc.any(raw.formulas).as_py():
            without_result = pc.and_(
                pc.and_(raw.formulas, pc.equal(texts, "")),
                pc.invert(pc.is_in(raw.types, pa.array(["str", "s", "inlineStr"]))),
            )
            kinds = pc.if_else(without_result, Kind.NO_RESULT, kinds).cast(pa.int8())
        self._find_long_cells(raw, texts, odd)
        keep = pc.or_(pc.not_equal(texts, ""), pc.equal(kinds, Kind.NO_RESULT))
        return Cells(
            raw.rows.filter(keep),
            raw.columns.filter(keep),
            texts.filter(keep),
            kinds.filter(keep),
            shown.filter(keep) if shown is not None else None,
            odd,
        )

    def _odd_rows(self, raw: _Raw) -> dict[int, Reason]:
        """Of rows whose XML already says that they cannot be read."""
        if not self._reasons:
            return {}
        rows = set(pc.unique(raw.rows).to_pylist())
        return {row: self._reasons[row] for row in rows & self._reasons.keys()}

    def _with_shared(self, raw: _Raw, odd: dict[int, Reason]) -> pa.StringArray:
        """The texts, with shared ones in the place of their numbers."""
        is_shared = pc.equal(raw.types, "s")
        numbers = _text_numbers(raw, is_shared)
        highest = pc.max(numbers).as_py()
        known = self._strings.at_least(0 if highest is None else highest + 1)
        missing = pc.fill_null(pc.greater_equal(numbers, len(known)), False)
        if pc.any(missing).as_py():
            numbers = pc.if_else(missing, None, numbers)
            for row in pc.unique(raw.rows.filter(missing)).to_pylist():
                odd[row] = MISSING_TEXT
        too_long = self._strings.too_long
        if too_long:
            is_long = pc.is_in(numbers, pa.array(sorted(too_long), pa.int32()))
            for row in pc.unique(raw.rows.filter(is_long)).to_pylist():
                odd[row] = LONG_CELL
        is_single_row = len(raw.rows) and raw.rows[0] == raw.rows[-1]
        if is_single_row and sum(self._strings.lengths(numbers)) > MAX_ROW_BYTES:
            odd[raw.rows[0].as_py()] = LONG_ROW
            numbers = pc.if_else(pc.equal(raw.columns, raw.columns[0]), numbers, None)
        own = pc.if_else(is_shared, "", raw.texts)
        return pc.coalesce(known.take(numbers), own)

    def _with_formats(
        self,
        raw: _Raw,
        is_number: pa.BooleanArray,
        texts: pa.StringArray,
        kinds: pa.Int8Array,
    ) -> tuple[pa.StringArray, pa.Int8Array, pa.StringArray | None]:
        """(texts, kinds, what is shown instead), with numbers as their formats say."""
        is_special = pc.is_in(raw.styles, self._special)
        is_written = pc.and_(is_number, pc.not_equal(texts, ""))
        is_plain = pc.match_substring_regex(texts.filter(is_written), PLAIN_NUMBER)
        is_strange = pc.replace_with_mask(is_written, is_written, pc.invert(is_plain))
        changes = pc.or_(pc.and_(is_written, is_special), is_strange)
        if not pc.any(changes).as_py():
            return texts, kinds, None
        keys = pc.binary_join_element_wise(
            raw.styles.filter(changes), texts.filter(changes), " "
        ).dictionary_encode()
        values = [self._value(key) for key in keys.dictionary.to_pylist()]
        places = keys.indices
        new_texts = pa.array([value.text for value in values], pa.string())
        new_kinds = pa.array([value.kind for value in values], pa.int8())
        texts = pc.replace_with_mask(texts, changes, new_texts.take(places))
        kinds = pc.replace_with_mask(kinds, changes, new_kinds.take(places))
        shown = pa.array([value.shown for value in values], pa.string())
        if shown.null_count == len(shown):
            return texts, kinds, None
        nothing = pa.nulls(len(texts), pa.string())
        return (
            texts,
            kinds,
            pc.replace_with_mask(nothing, changes, shown.take(places)),
        )

    def _value(self, key: str) -> Value:
        """`key` is "style text"."""
        value = self._memo.get(key)
        if value is None:
            style, _, text = key.partition(" ")
            index = int(style or 0)
            is_known = index < len(self._formats)
            form = self._formats[index] if is_known else GENERAL
            value = value_of(text, form, is_1904=self._is_1904)
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            self._memo[key] = value
        return value

    def _find_long_cells(
        self, raw: _Raw, texts: pa.StringArray, odd: dict[int, Reason]
    ) -> None:
        lengths = pc.binary_length(texts)
        if (pc.max(lengths).as_py() or 0) > MAX_CELL:
            is_long = pc.greater(pc.utf8_length(texts), MAX_CELL)
            for row in pc.unique(raw.rows.filter(is_long)).to_pylist():
                odd[row] = LONG_CELL
        if len(lengths):
            self._budget.add(pc.sum(lengths).as_py(), raw.rows[-1].as_py())


class _PieceParser:
    """Reads the cells of a piece of any form."""

    def __init__(self, rows_end: int) -> None:
        self._rows_end = rows_end
        self._row = rows_end
        self._column = -1
        self._rows: list[int] = []
        self._columns: list[int] = []
        self._styles: list[str] = []
        self._types: list[str] = []
        self._formulas: list[bool] = []
        self._texts: list[str] = []
        self._open: list[str] = []
        self._runs: list[str] = []

    def parse(self, piece: bytes) -> _Raw:
        parser = xml_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(b"<x>" + piece + b"</x>", True)
        except expat.ExpatError:
            raise self._damaged() from None
        texts = pa.array(self._texts, pa.string())
        return _Raw(
            pa.array(self._rows, pa.int64()),
            pa.array(self._columns, pa.int32()),
            pa.array(self._styles, pa.string()),
            pa.array(self._types, pa.string()),
            pa.array(self._formulas, pa.bool_()),
            decoded(texts, is_xml=False),
        )

    def _damaged(self) -> FileRefused:
        return FileRefused(
            f"The sheet is damaged behind row {max(self._row, 1):,}. Open the workbook in "
            "a spreadsheet program and save it again."
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        self._open.append(tag)
        if len(self._open) > MAX_DEPTH:
            raise self._damaged()
        match tag:
            case "row":
                stated = attributes.get("r", "")
                self._row = int(stated) if stated.isdecimal() else self._row + 1
                self._column = -1
            case "c":
                self._start_cell(attributes)
            case "f" if self._formulas:
                self._formulas[-1] = True

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self._column += 1
        row = self._row
        if reference := REFERENCE.fullmatch(attributes.get("r", "")):
            self._column = _column_number(reference[1].upper())
            row = int(reference[2])
        if self._column >= MAX_SHEET_COLUMNS:
            raise FileRefused(
                f"Row {row:,} has more than {MAX_SHEET_COLUMNS:,} cells. Remove some, or "
                "save the sheet as CSV."
            )
        # Rows beyond the last one are refused with their number.
        self._rows.append(min(row, 2**40))
        self._columns.append(self._column)
        self._styles.append(attributes.get("s", ""))
        self._types.append(attributes.get("t", ""))
        self._formulas.append(False)
        self._runs = []

    def _text(self, text: str) -> None:
        is_value = self._open[-1] in {"v", "t"} and "rPh" not in self._open
        if is_value and "c" in self._open:
            self._runs.append(text)

    def _end(self, _: str) -> None:
        if self._open.pop() == "c":
            self._texts.append("".join(self._runs))


class _Unusual(Exception):
    """The patterns do not know this way of writing a cell."""


def _split(texts: pa.StringArray, mark: str) -> tuple[pa.StringArray, pa.StringArray]:
    """What is before and behind the first mark. Each text has one."""
    parts = pc.split_pattern(texts, mark, max_splits=1)
    return pc.list_element(parts, 0), pc.list_element(parts, 1)


def _positions(references: pa.StringArray) -> tuple[pa.Int64Array, pa.Int32Array]:
    """(row, column) of references such as A2."""
    letters = pc.ascii_rtrim(references, DIGITS).dictionary_encode()
    names = letters.dictionary.to_pylist()
    if not all(map(COLUMN_LETTERS.fullmatch, names)):
        raise _Unusual
    columns = pa.array(map(_column_number, names), pa.int32())
    digits = pc.ascii_ltrim(references, LETTERS)
    if pc.all(pc.ascii_is_decimal(digits)).as_py() is False:
        raise _Unusual
    return digits.cast(pa.int64()), columns.take(letters.indices)


def _attributes(
    attributes: pa.StringArray,
) -> tuple[pa.StringArray, pa.StringArray, pa.BooleanArray]:
    """(style, type, whether the tag closes itself) by the attributes behind the reference,
    of which there are few kinds."""
    encoded = attributes.dictionary_encode()
    styles = []
    types = []
    are_closed = []
    for text in encoded.dictionary.to_pylist():
        found = ATTRIBUTE.findall(text)
        rest = ATTRIBUTE.sub("", text).strip()
        if rest not in {"", "/"}:
            raise _Unusual
        styles.append("".join(style for style, _ in found))
        types.append("".join(name for _, name in found))
        are_closed.append(rest == "/")
    places = encoded.indices
    return (
        pa.array(styles, pa.string()).take(places),
        pa.array(types, pa.string()).take(places),
        pa.array(are_closed, pa.bool_()).take(places),
    )


def _contents(
    bodies: pa.StringArray, are_closed: pa.BooleanArray
) -> tuple[pa.StringArray, pa.BooleanArray]:
    """(text, whether there is a formula) by what follows the start tag."""
    parts = pc.split_pattern(bodies, PLAIN_END, max_splits=1)
    values = pc.list_element(parts, 0)
    are_plain = pc.and_(
        pc.starts_with(values, PLAIN_START), pc.equal(pc.list_value_length(parts), 2)
    )
    texts = pc.utf8_slice_codeunits(values, len(PLAIN_START))
    formulas = pa.repeat(pa.scalar(False), len(texts))
    if pc.all(are_plain).as_py() is False:
        parts = parts.filter(are_plain)
        _require_tails(bodies.filter(are_closed))
        others = pc.invert(pc.or_(are_plain, are_closed))
        found = pc.extract_regex(bodies.filter(others), CONTENT)
        if found.null_count:
            raise _Unusual
        texts = pc.if_else(are_plain, texts, "")
        other_texts = pc.struct_field(found, "text")
        texts = pc.replace_with_mask(texts, others, other_texts)
        have_formula = pc.not_equal(pc.struct_field(found, "formula"), "")
        formulas = pc.replace_with_mask(formulas, others, have_formula)
    _require_tails(pc.list_element(parts, 1))
    if pc.any(pc.match_substring(texts, "<")).as_py():
        raise _Unusual
    return texts, formulas


def _require_tails(tails: pa.StringArray) -> None:
    written = tails.filter(pc.not_equal(tails, ""))
    are_usual = pc.match_substring_regex(written, "^" + TAIL)
    if pc.all(are_usual).as_py() is False:
        raise _Unusual


def _behind(row: int) -> str:
    return f"behind row {row:,}" if row else "before its first row"


def _hidden_rows(piece: bytes) -> tuple[int, ...]:
    if b"hidden" not in piece:
        return ()
    tags = [tag for tag in ROW.findall(piece) if HIDDEN.search(tag)]
    numbers = (ROW_NUMBER.search(tag) for tag in tags)
    return tuple(int(number[1]) for number in numbers if number)


def _filled_rows(raw: _Raw) -> dict[int, int]:
    """Row -> how many of its cells are not blank."""
    is_filled = pc.or_(raw.formulas, pc.not_equal(raw.texts, ""))
    counts = pc.value_counts(raw.rows.filter(is_filled))
    return {count["values"]: count["counts"] for count in counts.to_pylist()}


def _rows_with_doubles(raw: _Raw) -> set[int]:
    """Rows in which two cells are in the same place."""
    counts = pc.value_counts(_keys(raw))
    doubles = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    return {key // KEY_WIDTH for key in doubles.to_pylist()}


def _keys(raw: _Raw) -> pa.Int64Array:
    """One number for each place of a cell, in the order of places."""
    starts = pc.multiply(raw.rows, pa.scalar(KEY_WIDTH, pa.int64()))
    return pc.add(starts, raw.columns.cast(pa.int64()))


def _kinds(types: pa.StringArray) -> pa.Int8Array:
    encoded = types.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    kinds = pa.array([KINDS.get(name, Kind.TEXT) for name in names], pa.int8())
    return kinds.take(encoded.indices)


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _is_in_order(raw: _Raw) -> bool:
    """Whether each cell is right of or below the one before."""
    keys = _keys(raw)
    return len(keys) < 2 or pc.all(pc.greater(keys[1:], keys[:-1])).as_py()


def _text_numbers(raw: _Raw, is_shared: pa.BooleanArray) -> pa.Int32Array:
    """Null for a cell without a shared text."""
    has_number = pc.and_(is_shared, pc.not_equal(raw.texts, ""))
    numbers = pc.if_else(has_number, raw.texts, None)
    try:
        return numbers.cast(pa.int64()).cast(pa.int32())
    except pa.ArrowInvalid:
        raise FileRefused(
            f"The sheet is damaged behind row {raw.rows[0].as_py():,}: a cell names its "
            "text wrongly. Open the workbook in a spreadsheet program and save it again."
        ) from None
