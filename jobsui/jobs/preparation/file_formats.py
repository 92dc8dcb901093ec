"""What pages, the API and the command line show about the file formats, all of it from
`jobsui.files.formats`."""

from jobsui.files.dialect import DELIMITERS as DELIMITERS
from jobsui.files.dialect import QUOTINGS as QUOTINGS
from jobsui.files.encoding import ENCODINGS as ENCODINGS
from jobsui.files.encoding import named as encoding_named
from jobsui.files.formats import FORMATS, format_named
from jobsui.files.formats import LABELS as LABELS
from jobsui.jobs.models import File

NAMES = [form.name for form in FORMATS]
PACKED = (".gz", ".zip")
"""Archives whose only file is read."""
EXTENSIONS = [
    *(f".{extension}" for form in FORMATS for extension in form.extensions),
    *PACKED,
]
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


def settings_of(file: File) -> frozenset[str]:
    """What a person can correct about how a file is read: members of Layout. Nothing for a
    file that is none of our formats."""
    if file.format not in NAMES:
        return frozenset()
    settings = format_named(file.format).settings
    is_broken_workbook = "sheet" in settings and not file.sheets
    return frozenset() if is_broken_workbook else settings


def description(file: File) -> str:
    """How a file was read: "CSV, UTF-8, semicolon-separated"."""
    if file.format not in NAMES:
        return ""
    form = format_named(file.format)
    words = [form.label]
    if "encoding" in form.settings:
        words.append(ENCODINGS.get(file.encoding, file.encoding))
    if "delimiter" in form.settings:
        words.append(f"{DELIMITERS.get(file.delimiter, file.delimiter)}-separated")
    if "sheet" in form.settings:
        words.append(_sheet_words(file))
    if file.quoting in QUOTING_WORDS:
        words.append(QUOTING_WORDS[file.quoting])
    if file.header_row > 1:
        words.append(f"header in row {file.header_row:,}")
    return ", ".join(words)


def _sheet_words(file: File) -> str:
    words = f"sheet “{file.sheet}”"
    if len(file.sheets) > 1 and file.sheet in file.sheets:
        words += f" ({file.sheets.index(file.sheet) + 1} of {len(file.sheets)})"
    return words
