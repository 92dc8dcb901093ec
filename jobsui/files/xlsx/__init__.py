"""XLSX workbooks, also those of other programs and with parts in unusual places."""

from typing import BinaryIO

from jobsui.files.layout import Detected, Head, Layout, Reading

ZIP = b"PK\x03\x04"


def recognizes(head: Head) -> bool:
    return head.data.startswith(ZIP)


def detect(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a workbook."""
    # Web processes import the formats, and pyarrow takes 46 MB.
    from jobsui.files.xlsx import workbook  # noqa: PLC0415

    return workbook.detect(stream, head, chosen)


def read(stream: BinaryIO, layout: Layout) -> Reading:
    """Row numbers are those of the sheet. Raises FileRefused."""
    from jobsui.files.xlsx import workbook  # noqa: PLC0415

    return workbook.read(stream, layout)
