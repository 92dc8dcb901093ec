"""Reads the cells of a piece of XML that is written in an unusual way."""

import re
from xml.parsers import expat

import pyarrow as pa

from jobsui.files.errors import FileRefused
from jobsui.files.xlsx.parts import xml_parser
from jobsui.files.xlsx.raw_cells import RawCells, column_number
from jobsui.files.xlsx.strings import decoded

MAX_SHEET_COLUMNS = 18_278
"""Up to column ZZZ."""
MAX_DEPTH = 50
"""Of elements inside of a row."""
REFERENCE = re.compile("([A-Za-z]{1,3})([0-9]+)")


class PieceParser:
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

    def parse(self, piece: bytes) -> RawCells:
        parser = xml_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(b"<x>" + piece + b"</x>", True)
        except expat.ExpatError:
            raise self._damaged() from None
        texts = pa.array(self._texts, pa.string())
        return RawCells(
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
            self._column = column_number(reference[1].upper())
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
