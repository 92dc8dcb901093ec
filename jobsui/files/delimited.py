"""CSV and its relatives. The first lines decide on the delimiter by a vote; people may
choose another."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from jobsui.files import encoding as encodings
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Detected, Head, Layout, Row

EXTENSIONS = ("csv", "tsv", "txt")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
MAX_CELL = 131_072
VOTING_LINES = 50
HINT = "sep="
"""A first line such as `sep=;` tells Excel the delimiter. It is not the header."""

csv.field_size_limit(MAX_CELL)


def recognizes(_: Head) -> bool:
    return True


def detect(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    encodings.check(stream, head.encoding, has_lines=True)
    delimiter = chosen.delimiter or vote(head.text, is_whole=head.is_whole)
    return Detected(Layout("csv", head.encoding, delimiter))


def vote(text: str, *, is_whole: bool = False) -> str:
    """The delimiter that cuts most of the text's first lines into the same number of
    cells. If the text is only the beginning of the file, its last line may be cut off
    and has no vote."""
    if text.startswith(HINT) and text[len(HINT) : len(HINT) + 1] in DELIMITERS:
        return text[len(HINT)]
    lines = text.splitlines()
    if not is_whole and len(lines) > 1:
        lines = lines[:-1]
    voters = lines[:VOTING_LINES]
    scores = {delimiter: _score(voters, delimiter) for delimiter in DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > (0, 0) else ","


def read(stream: BinaryIO, layout: Layout) -> tuple[list[str], Iterator[Row]]:
    """The header and the rows behind it. Row numbers count records as a spreadsheet
    does, blank ones included."""
    text = encodings.text_of(stream, layout.encoding)
    reader = csv.reader(text, delimiter=layout.delimiter, strict=True)
    records = _records(reader)
    _, header = next(records, (0, []))
    if header == [HINT, ""]:
        _, header = next(records, (0, []))
    if not header:
        raise FileRefused("The file has no rows.")
    return header, records


def _records(reader: Iterator[list[str]]) -> Iterator[Row]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused(_sentence(str(error), number)) from None
        except UnicodeDecodeError:
            raise FileRefused(
                f"Row {number} does not fit the file's encoding. Upload the file again."
            ) from None
        if any(cells):
            yield number, cells


def _sentence(error: str, number: int) -> str:
    """What people read for an error of Python's CSV reader."""
    if "field larger" in error:
        return (
            f"Row {number} has a cell of more than {MAX_CELL:,} characters. "
            "Is a quotation mark missing before it?"
        )
    if "unexpected end" in error:
        return (
            f"Row {number} begins a quoted cell that never ends. "
            "Close its quotation mark."
        )
    return (
        f"Row {number} cannot be read: {error}. Check its quotation marks; inside a "
        "quoted cell they are doubled."
    )


def _score(lines: list[str], delimiter: str) -> tuple[int, int]:
    """(lines cut into as many cells as the first one, how many cells that is); (0, 0)
    for a delimiter that cuts nothing."""
    widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    if not widths or widths[0] < 2:
        return 0, 0
    return widths.count(widths[0]), widths[0]
