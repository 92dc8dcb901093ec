"""How delimited text separates its cells, found from its first lines: the delimiter, the
meaning of quotation marks, and the row with the names of the columns."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median_low

from jobsui.files.records import Dialect, Record, Scanner

DELIMITERS = {
    ",": "comma",
    ";": "semicolon",
    "\t": "tab",
    "|": "bar",
    "^": "caret",
    "~": "tilde",
    "\x1f": "unit separator",
    ":": "colon",
    " ": "space",
}
IN_TEXTS = (":", " ")
"""They are in times, addresses and texts, so only a header with them and rows of one width
make them a delimiter."""
PRIORS = {"\t": 1.02, "|": 0.99, "^": 0.97, "~": 0.97, ":": 0.6, " ": 0.6}
QUOTINGS = {
    "double": "Quotation marks inside quoted cells are doubled",
    "backslash": "A backslash precedes quotation marks inside quoted cells",
    "single": "Apostrophes take the place of quotation marks",
    "none": "Quotation marks have no meaning",
}
HINT = "sep="
"""A first line such as `sep=;` tells Excel the delimiter. It is not the header."""
MAX_RECORDS = 100
MIN_SCORE = 0.55
"""A delimiter with less separates nothing: the table has one column."""
MIN_STRAY = 2
"""How many rows with quotation marks in the wrong places show that these have no meaning."""
NUMBER = re.compile(
    r"[-+(]?[$€£]? ?[0-9][0-9.,' \u00a0\u202f]*([eE][-+]?[0-9]+)?[ %€)]*"
)
DATE = re.compile(
    r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}([T ][0-9]{1,2}:[0-9]{2}.*)?"
    r"|[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?"
)
WORD = re.compile(r"[\w@#./&+-]+( [\w@#./&+-]+){0,2}")


@dataclass(frozen=True, slots=True)
class Found:
    delimiter: str
    quoting: str
    header_row: int
    """0: the text has no row."""
    titles: tuple[str, ...] = ()
    """The rows above the header, as text."""
    data_in_header: str = ""
    """A number or date where a name is expected, above others of its kind."""


def of(delimiter: str, quoting: str) -> Dialect:
    """The dialect with this name of QUOTINGS."""
    if quoting == "none":
        return Dialect(delimiter, quote="")
    if quoting == "single":
        return Dialect(delimiter, quote="'")
    return Dialect(delimiter, escape="\\" if quoting == "backslash" else "")


def find(text: str, *, is_whole: bool, delimiter: str = "", quoting: str = "") -> Found:
    """The dialect of a text, or of its beginning. What a person chose is used as it is."""
    text = text.removeprefix("\ufeff")
    chosen = delimiter or _hinted(text) or _best_delimiter(text, is_whole=is_whole)
    meaning = quoting or _quoting(text, chosen, is_whole=is_whole)
    records = _records(text, of(chosen, meaning), is_whole=is_whole)
    cells = [record.cells for record in records]
    row = header_row(cells)
    skipped = cells[: max(row - 1, 0)]
    titles = tuple(
        chosen.join(names).rstrip(chosen)
        for names in skipped
        if any(names) and not _is_hint(names)
    )
    below = [others for others in cells[row:] if any(others)]
    data = _data_in(cells[row - 1], below) if row else ""
    return Found(chosen, meaning, row, titles, data)


def header_row(records: Sequence[Sequence[str]]) -> int:
    """The number of the record with the names of the columns: the first one that is no
    title, comment or group of columns. 0 if all are blank."""
    numbered = [
        (number, cells)
        for number, cells in enumerate(islice(records, MAX_RECORDS), 1)
        if any(cells) and not (number == 1 and _is_hint(cells))
    ]
    if not numbered:
        return 0
    width = _usual_width(cells for _, cells in numbered)
    usual = median_low([_filled(cells) for _, cells in numbered if len(cells) == width])
    skipped: list[tuple[int, Sequence[str]]] = []
    for index, (number, cells) in enumerate(numbered):
        following = numbered[index + 1][1] if index + 1 < len(numbered) else []
        is_above = _is_title(cells, usual) or _is_group(cells, following)
        if is_above and following:
            skipped.append((number, cells))
            continue
        # A header with numbers or dates is rather the first row below it.
        is_data = any(map(_is_number, cells))
        for above, names in skipped:
            if is_data and len(names) == width and _filled(names) * 2 >= usual:
                return above
        return number
    return 0


def _data_in(header: Sequence[str], rows: list[list[str]]) -> str:
    for index, name in enumerate(header):
        column = [cells[index] for cells in rows if len(cells) > index and cells[index]]
        if _is_number(name) and column and all(map(_is_number, column)):
            return name
    return ""


def _hinted(text: str) -> str:
    first = text[: len(HINT) + 3].splitlines()[:1]
    is_hint = bool(first) and first[0].lower().startswith(HINT)
    return first[0][len(HINT) :] if is_hint and len(first[0]) == len(HINT) + 1 else ""


def _is_hint(cells: Sequence[str]) -> bool:
    return len(cells) == 2 and cells[0].lower() == HINT and not cells[1]


def _best_delimiter(text: str, *, is_whole: bool) -> str:
    scores = {}
    for delimiter in DELIMITERS:
        if delimiter in text:
            records = _records(text, Dialect(delimiter), is_whole=is_whole)
            is_likely = delimiter not in IN_TEXTS or _is_rectangular(records)
            prior = PRIORS.get(delimiter, 1) if is_likely else 0
            scores[delimiter] = _score(records) * prior
    if not scores or max(scores.values()) < MIN_SCORE:
        return ","
    return max(scores, key=lambda delimiter: scores[delimiter])


def _records(text: str, dialect: Dialect, *, is_whole: bool) -> list[Record]:
    found = Scanner(dialect).records(text, is_last=is_whole)
    records = list(islice(found, MAX_RECORDS))
    if records or not text:
        return records
    # The only line is longer than the head.
    return list(islice(Scanner(dialect).records(text, is_last=True), 1))


def _score(records: list[Record]) -> float:
    """How much the records look like the rows of a table."""
    filled = [record for record in records if any(record.cells)]
    width = _usual_width(record.cells for record in filled)
    if width < 2:
        return 0
    widths = [len(record.cells) for record in filled]
    table = filled[widths.index(width) :]
    usual = [record for record in table if len(record.cells) == width]
    share = max(len(usual), _count_untrimmed(table)) / len(table)
    cells = [cell for record in usual for cell in record.cells]
    likeness = sum(map(_likeness, cells)) / len(cells)
    faults = sum(bool(record.fault) for record in table) / len(table)
    return (
        share
        * (0.35 + 0.65 * likeness)
        * (1 + 0.01 * min(width, 20))
        * (1 - faults / 2)
    )


def _count_untrimmed(table: list[Record]) -> int:
    """How many records have the usual width if a blank cell at the end does not count."""
    widths = Counter(len(record.cells) - (not record.cells[-1]) for record in table)
    return widths.most_common(1)[0][1]


def _usual_width(rows: Iterable[Sequence[str]]) -> int:
    """The most frequent number of cells; of two, the larger one."""
    counts = Counter(map(len, rows))
    return max(counts, key=lambda width: (counts[width], width), default=0)


def _likeness(cell: str) -> float:
    """How much a cell looks like a value of its own."""
    text = cell.strip()
    if not text:
        return 0.6
    if cell.count('"') % 2:
        return 0
    if NUMBER.fullmatch(text) or DATE.fullmatch(text):
        return 1
    return 0.9 if WORD.fullmatch(text) and len(text) <= 40 else 0.45


def _quoting(text: str, delimiter: str, *, is_whole: bool) -> str:
    if '"' not in text:
        return _quoting_by_apostrophes(text, delimiter, is_whole=is_whole)
    doubled = _records(text, of(delimiter, "double"), is_whole=is_whole)
    has_faults = any(record.fault for record in doubled)
    has_merged = any(
        _is_merged(cell, delimiter) for row in doubled for cell in row.cells
    )
    if not has_faults and not has_merged:
        return "double"
    if '\\"' in text:
        escaped = _records(text, of(delimiter, "backslash"), is_whole=is_whole)
        if not any(record.fault for record in escaped):
            return "backslash"
    plain = _records(text, of(delimiter, "none"), is_whole=is_whole)
    if not _is_rectangular(plain):
        return "double"
    if has_faults:
        stray = sum(not record.is_plain for record in doubled)
        has_quoted = _has_quoted_cells(text, doubled)
        return "none" if stray >= MIN_STRAY and not has_quoted else "double"
    is_needed = any(_needs_quotes(record, delimiter) for record in doubled)
    return "none" if not is_needed and _has_same_keys(doubled, plain) else "double"


def _quoting_by_apostrophes(text: str, delimiter: str, *, is_whole: bool) -> str:
    """ "single" if cells in apostrophes contain delimiters and make all rows equally
    wide."""
    if f"{delimiter}'" not in text:
        return "double"
    plain = _records(text, of(delimiter, "none"), is_whole=is_whole)
    records = _records(text, of(delimiter, "single"), is_whole=is_whole)
    has_faults = any(record.fault for record in records)
    is_better = _is_rectangular(records) and not _is_rectangular(plain)
    return "single" if is_better and not has_faults else "double"


def _has_quoted_cells(text: str, records: list[Record]) -> bool:
    """Whether quotation marks begin and end a cell somewhere."""
    start = 0
    for record in records:
        if record.is_plain and '"' in text[start : record.end]:
            return True
        start = record.end
    return False


def _is_merged(cell: str, delimiter: str) -> bool:
    return delimiter in cell and ("\n" in cell or "\r" in cell)


def _needs_quotes(record: Record, delimiter: str) -> bool:
    """Whether a quoted cell of the record contains a delimiter, but no line end."""
    return not record.fault and any(
        delimiter in cell and not _is_merged(cell, delimiter) for cell in record.cells
    )


def _is_rectangular(records: list[Record]) -> bool:
    widths = {len(record.cells) for record in records if any(record.cells)}
    return len(widths) == 1 and max(widths) > 1


def _has_same_keys(merged: list[Record], plain: list[Record]) -> bool:
    """Whether all lines begin like the records do: with an ID such as "A-12". A line of a
    cell with line ends rarely does."""
    shapes = {_shape(record.cells[0]) for record in merged[1:]}
    return all(_shape(record.cells[0]) in shapes for record in plain[1:])


def _shape(cell: str) -> str:
    """The same for "A-1" and "B-27"."""
    return re.sub("[^\\W\\d_]+", "a", re.sub("[0-9]+", "9", cell.strip('"')))


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def _is_title(cells: Sequence[str], usual: int) -> bool:
    """Whether a row is a title or a comment above the header."""
    if cells[0].lstrip().startswith("#"):
        return True
    filled = _filled(cells)
    has_index = not cells[0].strip() and filled == len(cells) - 1
    return filled * 3 <= usual * 2 and not has_index


def _is_group(cells: Sequence[str], following: Sequence[str]) -> bool:
    """Whether a row names groups of columns or numbers them, and the next one names the
    columns."""
    names = [cell.strip() for cell in cells if cell.strip()]
    is_numbered = all(map(_is_number, names))
    has_groups = len(set(names)) * 2 <= len(names)
    next_names = [cell.strip() for cell in following if cell.strip()]
    is_header = len(set(next_names)) == len(next_names) and not any(
        map(_is_number, next_names)
    )
    return (is_numbered or has_groups) and is_header and len(next_names) >= len(names)


def _is_number(cell: str) -> bool:
    text = cell.strip()
    return bool(NUMBER.fullmatch(text) or DATE.fullmatch(text))
