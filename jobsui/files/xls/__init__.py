"""Workbooks of Excel 97 to 2003, read from their records: errors, number formats and
hidden rows are known."""

from typing import BinaryIO

from jobsui.files.layout import Detected, Head, Layout, Reading

COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def recognizes(head: Head) -> bool:
    return head.data.startswith(COMPOUND_FILE)


def detect(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a workbook."""
    # Web processes import the formats, and pyarrow takes 46 MB.
    from jobsui.files.xls import workbook  # noqa: PLC0415

    return workbook.detect(stream, head, chosen)


def read(stream: BinaryIO, layout: Layout) -> Reading:
    """Row numbers are those of the sheet. Raises FileRefused."""
    from jobsui.files.xls import workbook  # noqa: PLC0415

    return workbook.read(stream, layout)
