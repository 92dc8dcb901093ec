"""Signs that a spreadsheet or an export has damaged cells before the upload. Each is a
mask over cells; nothing is corrected.

Workers only: it imports pyarrow."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files import mojibake
from jobsui.files.invisible import DIRECTIONS, INVISIBLE, has_invisible
from jobsui.files.number_columns import may_be_numbers

ASCII_SPACES = (" ", "\t", "\n", "\r")
SPACES = (*ASCII_SPACES, "\u00a0", "\u2007", "\u202f", "\u3000")
SUSPECT = f"{mojibake.pattern()}|[{''.join(sorted(INVISIBLE | DIRECTIONS))}]"
"""All garbled cells and those with invisible characters, and few others."""
ROUNDED = re.compile(r"[+-]?\d+(?:[.,](?P<decimals>\d+))?[eE]\+?(?P<power>\d+)")
MAYBE_ROUNDED = (
    r"^[ ]*[+-]?[0-9]+(?:(?:[.,][0-9]+)?[eE]\+|[.,][0-9]+[eE])[0-9]{1,3}[ ]*$"
)
"""Without a plus and a decimal mark it may be a code: 12E4."""
MIN_POWER = 7
"""Programs that write no plus begin here."""
ERROR = (
    r"^(?:#N/A|#REF!|#VALUE!|#DIV/0!|#NAME\?|#NUM!|#NULL!|#SPILL!|#CALC!|#FIELD!"
    r"|#NV|#BEZUG!|#WERT!|#ZAHL!|#VALEUR!|#NOM\?|#NOMBRE!|#####+)$"
)
"""In German and French, too. ##### is shown where a column is too narrow."""
SERIAL_DATE = r"^[2-6][0-9]{4}(?:[.,][0-9]+)?$"
"""Days since 1900, from 1954 to 2091."""
DATE_NAME = re.compile(
    r"(?:^|[^a-z])(?:dates?|datum|day|fecha|birthday|birthdate|dob|geburtstag|deadline"
    r"|created|updated|modified|expires|expiry|on|at)(?:[^a-z]|$)"
    r"|(?:date|datum)$|[a-z](?:On|At|Date)(?:[^a-z]|$)"
)

CODE_NAME = re.compile(
    r"(?:^|[^a-z])(?:zip|zips|zipcode|plz|postleitzahl|postal|postcode|gtin|ean|upc|barcode"
    r"|isbn)(?:[^a-z]|$)"
)
"""Codes that may begin with zero."""
BREAKS = {"\r\n": r"\r\n", "\n": r"(?:^|[^\r])\n", "\r": r"\r(?:[^\n]|$)"}
"""Line breaks, and what finds each."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A kind of damage."""

    message: str
    """With {values}, {column} and {example}."""
    fix: str


SIGNS = {
    "rounded": Sign(
        "{values} in {column} like {example}: a spreadsheet has rounded them.",
        "Export that column as text.",
    ),
    "garbled": Sign(
        "{values} in {column} with garbled letters, such as {example}.",
        "Restore them in the rule of their field, or export the file again as UTF-8.",
    ),
    "invisible_characters": Sign(
        "{values} in {column} with invisible characters, such as {example}. They make "
        "texts different that look the same.",
        "Remove them in the rule of their field, unless they are meant.",
    ),
    "error_cell": Sign(
        "{values} in {column} such as {example}: a formula failed there.",
        "Correct the formulas and export the file again.",
    ),
    "serial_date": Sign(
        "{values} in {column} like {example}: dates that a spreadsheet has turned into "
        "numbers.",
        "Read them as dates in the rule of their field, or format the column as a date and "
        "export the file again.",
    ),
    "spaces": Sign(
        "{values} in {column} with a space or line break at the beginning or end, such "
        "as {example}.",
        "Remove them in the rule of their field, unless they are meant.",
    ),
    "mixed_breaks": Sign(
        "{values} in {column} with line breaks unlike those of the other cells.",
        "Check that these cells are whole.",
    ),
    "digits_cut": Sign(
        "{values} in {column} like {example}: a spreadsheet keeps 15 digits and has "
        "turned the others into zeros.",
        "Export that column as text from its source.",
    ),
    "short_codes": Sign(
        "{values} in {column} like {example} are shorter than all others: a spreadsheet "
        "may have removed zeros at their beginning.",
        "Pad them in the rule of their field, or format that column as text, restore the "
        "zeros, and export the file again.",
    ),
    "swapped_dates": Sign(
        "{values} in {column} like {example} may have day and month swapped: a "
        "spreadsheet has converted only dates with days up to 12.",
        "Swap them back in the rule of their field, or export that column as text from its "
        "source.",
    ),
}
"""By the code of their notices."""


def names_date(column: str) -> bool:
    """Whether the name of a column says that it has dates."""
    name = column.strip()
    return bool(DATE_NAME.search(name) or DATE_NAME.search(name.lower()))


def names_code(column: str) -> bool:
    return CODE_NAME.search(column.lower()) is not None


def count_breaks(data: bytes) -> dict[str, int]:
    """How many line breaks of each kind there are."""
    if b"\n" not in data and b"\r" not in data:
        return {}
    both = data.count(b"\r\n") if b"\r" in data else 0
    counts = {
        "\r\n": both,
        "\n": data.count(b"\n") - both,
        "\r": data.count(b"\r") - both,
    }
    return {sign: count for sign, count in counts.items() if count}


def unusual_breaks(counts: Counter[str]) -> str:
    """A pattern of cells with line breaks unlike most others; "" if all are alike."""
    _, *others = [sign for sign, _ in counts.most_common()] or [""]
    return "|".join(BREAKS[sign] for sign in others)


def find(
    texts: pa.StringArray, data: bytes, *, has_dates: bool
) -> Iterator[tuple[str, pa.BooleanArray]]:
    """(code, which cells have the sign), of the signs that occur. `data` is the texts'
    content, in which single bytes are found much faster than in cells."""
    candidates = (
        ("spaces", _outer_spaces(texts, data)),
        ("rounded", _rounded(texts, data)),
        ("error_cell", _matching(texts, ERROR) if b"#" in data else None),
        ("serial_date", _matching(texts, SERIAL_DATE) if has_dates else None),
    )
    for code, mask in candidates:
        if mask is not None:
            yield code, mask
    if not data.isascii():
        yield from _suspect(texts)


def _outer_spaces(texts: pa.StringArray, data: bytes) -> pa.BooleanArray | None:
    found = None
    for space in ASCII_SPACES if data.isascii() else SPACES:
        encoded = space.encode()
        # A single byte is found faster than several.
        if encoded[:1] not in data or encoded not in data:
            continue
        for mask in (pc.starts_with(texts, space), pc.ends_with(texts, space)):
            found = mask if found is None else pc.or_(found, mask)
    return _if_any(found)


def _rounded(texts: pa.StringArray, data: bytes) -> pa.BooleanArray | None:
    if b"E" not in data and b"e" not in data:
        return None
    if not any(sign in data for sign in (b"+", b".", b",")):
        return None
    mask = _matching_of(texts, may_be_numbers(texts), MAYBE_ROUNDED)
    return None if mask is None else _where(texts, mask, _is_rounded)


def _is_rounded(text: str) -> bool:
    """Whether digits before the decimal mark are missing. 1.2345E+2 and 1.5e3 are
    whole."""
    match = ROUNDED.fullmatch(text.strip())
    if match is None:
        return False
    power = int(match["power"])
    if "+" not in text and power < MIN_POWER:
        return False
    return power > len(match["decimals"] or "")


def _suspect(texts: pa.StringArray) -> Iterator[tuple[str, pa.BooleanArray]]:
    # No suspect character is ASCII.
    mask = _matching_of(texts, pc.invert(pc.string_is_ascii(texts)), SUSPECT)
    if mask is None:
        return
    for code, is_true in (
        ("garbled", mojibake.is_mojibake),
        ("invisible_characters", _has_invisible),
    ):
        found = _where(texts, mask, is_true)
        if found is not None:
            yield code, found


def _has_invisible(text: str) -> bool:
    return has_invisible(text) and not mojibake.is_mojibake(text)


def _matching(texts: pa.StringArray, pattern: str) -> pa.BooleanArray | None:
    return _if_any(pc.match_substring_regex(texts, pattern))


def _matching_of(
    texts: pa.StringArray, mask: pa.BooleanArray, pattern: str
) -> pa.BooleanArray | None:
    """The cells of the mask that match."""
    found = _matching(texts.filter(mask), pattern)
    return None if found is None else pc.replace_with_mask(mask, mask, found)


def _where(
    texts: pa.StringArray, mask: pa.BooleanArray, is_true: Callable[[str], bool]
) -> pa.BooleanArray | None:
    """The cells of the mask of which `is_true`."""
    judged = [is_true(text) for text in texts.filter(mask).to_pylist()]
    return _if_any(pc.replace_with_mask(mask, mask, pa.array(judged, pa.bool_())))


def _if_any(mask: pa.BooleanArray | None) -> pa.BooleanArray | None:
    if mask is None or not pc.any(mask).as_py():
        return None
    return mask
