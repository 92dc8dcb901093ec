"""What pages, the API and the command line show about the file formats, all of it from
`jobsui.files.formats`."""

from collections.abc import Iterator

from jobsui.files.dialect import DELIMITERS as DELIMITERS
from jobsui.files.dialect import QUOTINGS as QUOTINGS
from jobsui.files.encoding import ENCODINGS as ENCODINGS
from jobsui.files.encoding import named as encoding_named
from jobsui.files.formats import FORMATS, format_named
from jobsui.files.formats import LABELS as LABELS
from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File
from jobsui.text import counted

NAMES = [form.name for form in FORMATS]
PACKED = (".gz", ".zip")
"""Archives whose only file is read."""
EXTENSIONS = [
    *(f".{extension}" for form in FORMATS for extension in form.extensions),
    *PACKED,
]
SHOWN = "shown"
VALUES = ("stored", SHOWN)
"""Which value of a formatted workbook cell counts."""
SETTING_LABELS = {
    "encoding": "Encoding",
    "delimiter": "Delimiter",
    "quoting": "Quotation marks",
    "sheet": "Sheet",
    "header_row": "Row of the header",
    "values": "Formatted values",
}
QUOTING_WORDS = {
    "none": "quotation marks without a meaning",
    "backslash": "quotation marks behind a backslash",
    "single": "apostrophes instead of quotation marks",
}
ENCODING_NAMES = [name.removesuffix("-sig") for name in ENCODINGS]
"""As programs write them: "utf-8"."""


def known_encoding(name: str) -> str:
    """An encoding of ENCODINGS by any of its usual names: "windows-1251", "cp1251".
    Raises ValueError."""
    if known := encoding_named(name.strip().lower()):
        return known
    raise ValueError(f"is not supported; choose one of {', '.join(ENCODING_NAMES)}")


def encoding_label(name: str) -> str:
    """Without its region: "Windows-1252"."""
    return ENCODINGS.get(name, name).partition(" (")[0]


def encoding_region(name: str) -> str:
    """ "Western Europe"; "" for none."""
    _, _, region = ENCODINGS.get(name, name).partition(" (")
    return region.removesuffix(")")


def possible_settings(file: File) -> frozenset[str]:
    """The settings that files of its format have: members of Layout."""
    if file.format not in NAMES:
        return frozenset()
    return format_named(file.format).settings


def setting_words(name: str, value: object) -> str:
    """A value of a setting, as people read it."""
    match name, value:
        case "encoding", str():
            return encoding_label(value)
        case "delimiter", str():
            return DELIMITERS.get(value, value)
        case "quoting", str():
            return QUOTING_WORDS.get(value, "doubled quotation marks")
        case "values", str():
            return "as shown" if value == SHOWN else "as stored"
    return str(value)


def settings_of(file: File) -> frozenset[str]:
    """What a person can correct about how a file is read: members of Layout. Of a rejected
    file, only those that could help. Nothing for a file that is none of our formats."""
    if file.format not in NAMES:
        return frozenset()
    settings = format_named(file.format).settings
    if file.proposals:
        return frozenset({"encoding"})
    is_rejected = file.state == FileState.REJECTED
    if is_rejected and "delimiter" in settings and not file.delimiter:
        # Nothing was read as text.
        return frozenset({"encoding"})
    if "values" in settings and not file.sheets:
        # A broken workbook.
        return frozenset()
    return settings - _without_effect(file)


def _without_effect(file: File) -> set[str]:
    settings = set()
    if len(file.sheets) < 2:
        settings.add("sheet")
    warnings = {warning["code"] for warning in file.warnings}
    if "shown_differs" not in warnings and file.values != SHOWN:
        settings.add("values")
    return settings


def description(file: File) -> str:
    """What was found, as far as it is known: "CSV, Windows-1252, semicolon, 12 columns,
    48,112 rows, header in row 1"."""
    if file.format not in NAMES:
        return ""
    return ", ".join([format_named(file.format).label, *_words(file)])


def _words(file: File) -> Iterator[str]:
    settings = format_named(file.format).settings
    if "encoding" in settings and file.encoding and not file.proposals:
        yield encoding_label(file.encoding)
    if file.delimiter:
        yield DELIMITERS.get(file.delimiter, file.delimiter)
    if file.columns:
        yield counted(len(file.columns), "column")
    if file.rows is not None:
        yield counted(file.rows, "row")
    if file.quoting in QUOTING_WORDS:
        yield QUOTING_WORDS[file.quoting]
    if file.header_row and file.columns:
        yield f"header in row {file.header_row:,}"
    if file.sheet:
        yield _sheet_words(file)
    if file.values == SHOWN:
        yield "values as shown"


def _sheet_words(file: File) -> str:
    kind = "list" if file.format == "json" else "sheet"
    words = f"{kind} {file.sheet}"
    if len(file.sheets) > 1 and file.sheet in file.sheets:
        words += f" ({file.sheets.index(file.sheet) + 1} of {len(file.sheets)})"
    return words
