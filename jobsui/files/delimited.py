"""CSV and its kin. The delimiter is found by a vote of the first lines, and people may
overrule it."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from jobsui.files.encoding import text_of
from jobsui.files.errors import FileRefused

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MOST_CELL = 131_072
HINT = "sep="
"""How Excel is told the delimiter: a first line such as `sep=;`, which is no header."""

csv.field_size_limit(MOST_CELL)


def vote(text: str, *, whole: bool = False) -> str:
    """The delimiter of a text's first lines: the one that cuts most of them into the
    same number of cells. Unless the text is `whole`, its last line may be cut short and
    has no vote."""
    if text.startswith(HINT) and text[len(HINT) : len(HINT) + 1] in DELIMITERS:
        return text[len(HINT)]
    lines = text.splitlines()
    voters = (lines if whole else lines[:-1] or lines)[:50]
    best = max(DELIMITERS, key=lambda delimiter: _score(voters, delimiter))
    return best if _score(voters, best) > (0, 0) else ","


def read(
    stream: BinaryIO, encoding: str, delimiter: str
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header and the rows behind it. A row's number counts records as a spreadsheet
    does, blank ones included."""
    records = _records(
        csv.reader(text_of(stream, encoding), delimiter=delimiter, strict=True)
    )
    header = next(records, None)
    if header is not None and header[1] == [HINT, ""]:
        header = next(records, None)
    if header is None:
        raise FileRefused("The file has no rows.")
    return header[1], records


def _records(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused(_csv_trouble(str(error), number)) from None
        except UnicodeDecodeError:
            raise FileRefused(
                f"Row {number:,} does not fit the file's encoding. Upload the file again."
            ) from None
        if any(cells):
            yield number, cells


def _csv_trouble(error: str, number: int) -> str:
    if "field larger" in error:
        return (
            f"Row {number:,} has a cell of more than {MOST_CELL:,} characters. "
            "Is a quotation mark missing before it?"
        )
    if "unexpected end" in error:
        return f"Row {number:,} begins a quoted cell that never ends. Close its quotation mark."
    return f"Row {number:,} cannot be read: {error}. Check its quotation marks; inside a quoted cell they are doubled."


def _score(lines: list[str], delimiter: str) -> tuple[int, int]:
    widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    if not widths or widths[0] < 2:
        return 0, 0
    return sum(width == widths[0] for width in widths), widths[0]
