"""What the product says about one table in every format, encoding and delimiter.

    python -m bench.detection

The table has 40 rows and four columns, with words of a language in one of them. Each file is
read with nothing chosen. If encodings are proposed, the right one is chosen then. A file is
right if its delimiter and all cells are."""

import csv
import gzip
import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from bench import tables  # noqa: E402
from jobsui.files.dialect import DELIMITERS  # noqa: E402
from jobsui.files.intake import Found, take_in  # noqa: E402
from jobsui.files.layout import DETECT_ALL, Layout  # noqa: E402
from jobsui.files.table import open_staged  # noqa: E402
from jobsui.jobs.models import File  # noqa: E402
from jobsui.jobs.preparation import file_formats  # noqa: E402
from tests.files.corpus import biff, opendocument, workbooks  # noqa: E402
from tests.files.corpus.encodings import ENCODINGS, LANGUAGES  # noqa: E402

HEADER = ["external_id", "name", "status", "price"]
ROWS = 40
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")

type Cells = list[list[str]]


@dataclass(frozen=True, slots=True)
class Written:
    """The table in one way."""

    way: str
    content: bytes
    cells: Cells
    delimiter: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    line: str
    place: int
    """Of the right encoding among those proposed, from 1. 0: it is certain."""
    is_right: bool


def main() -> None:
    places: Counter[str] = Counter()
    lines = [["", "encoding", "", "line"]]
    for written in [*_in_other_formats(), *_delimited()]:
        result = _read(written)
        place = f"proposed as no. {result.place}" if result.place else "certain"
        verdict = "right" if result.is_right else "WRONG"
        places[f"{place}, {verdict}"] += 1
        lines.append([written.way, place, verdict, result.line])
    print("\n".join(tables.aligned(lines)))
    for place, count in places.most_common():
        print(f"{count:5} {place}")


def _read(written: Written) -> Result:
    found, cells = _taken_in(written.content, DETECT_ALL)
    place = 0
    for number, proposal in enumerate(found.proposals, 1):
        chosen, chosen_cells = _taken_in(
            written.content, Layout(encoding=proposal.encoding)
        )
        if chosen_cells == written.cells:
            place = number
            found, cells = chosen, chosen_cells
            break
    is_right = cells == written.cells and found.layout.delimiter == written.delimiter
    return Result(_line(found), place, is_right)


def _line(found: Found) -> str:
    """What the page says."""
    layout = found.layout
    return file_formats.description(
        File(
            format=layout.format,
            encoding=layout.encoding,
            delimiter=layout.delimiter,
            sheet=layout.sheet,
            sheets=list(found.sheets),
            header_row=layout.header_row,
            quoting=layout.quoting,
            columns=found.columns,
            rows=found.rows,
        )
    )


def _taken_in(content: bytes, chosen: Layout) -> tuple[Found, Cells]:
    out = io.BytesIO()
    found = take_in(io.BytesIO(content), "table", chosen, out, lambda _: None)
    if found.refusal:
        return found, []
    rows = [cells for _, cells in open_staged(out).rows]
    return found, [found.columns, *rows]


def _delimited() -> Iterator[Written]:
    of_languages = [(code, name) for name, codes in ENCODINGS.items() for code in codes]
    for encoding, language in [*((code, "German") for code in UNICODE), *of_languages]:
        cells = _cells(language, encoding)
        for delimiter, word in DELIMITERS.items():
            text = io.StringIO()
            csv.writer(text, delimiter=delimiter).writerows(cells)
            content = text.getvalue().encode(encoding)
            yield Written(f"{language}, {encoding}, {word}", content, cells, delimiter)


def _in_other_formats() -> Iterator[Written]:
    cells = _cells("German", "utf-8")
    records = [dict(zip(HEADER, row, strict=True)) for row in cells[1:]]
    lines = "\n".join(json.dumps(record) for record in records).encode()
    yield Written("JSON Lines", lines, cells)
    yield Written("JSON array", json.dumps(records).encode(), cells)
    yield Written("JSON array under a key", json.dumps({"d": records}).encode(), cells)
    rows = [workbooks.texts(*row) for row in cells]
    book = workbooks.book_of(*rows).content()
    yield Written("XLSX", book, cells)
    yield Written("XLSX, Strict", _strict(rows), cells)
    labels = [
        biff.label(row, column, text)
        for row, texts in enumerate(cells)
        for column, text in enumerate(texts)
    ]
    yield Written("XLS", biff.xls(("Assets", labels)), cells)
    sheet = opendocument.table(*(opendocument.texts(*row) for row in cells))
    yield Written("ODS", opendocument.ods(sheet), cells)
    for way, content in (("JSON Lines", lines), ("XLSX", book)):
        yield Written(f"{way} in .gz", gzip.compress(content), cells)
        yield Written(f"{way} in .zip", _zipped(content), cells)


def _strict(rows: list[list[str]]) -> bytes:
    book = replace(
        workbooks.book_of(*rows),
        main=workbooks.STRICT_MAIN,
        office=workbooks.STRICT_OFFICE,
    )
    return book.content()


def _zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("table", content)
    return out.getvalue()


def _cells(language: str, encoding: str) -> Cells:
    """Words that the encoding does not have are left out."""
    words = [
        word
        for word in LANGUAGES[language].split(", ")
        if word.encode(encoding, "ignore").decode(encoding) == word
    ]
    rows = [
        [f"A-{number}", words[number % len(words)], "in_use", f"{number % 7}.50"]
        for number in range(ROWS)
    ]
    return [HEADER, *rows]


if __name__ == "__main__":
    main()
