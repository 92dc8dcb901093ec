"""OpenDocument spreadsheets, read from their XML: numbers keep their text, and what is
shown is known."""

from typing import BinaryIO

from jobsui.files.layout import Detected, Head, Layout, Reading

MIMETYPE = b"opendocument.spreadsheet"
MIMETYPE_END = 256


def recognizes(head: Head) -> bool:
    is_named = MIMETYPE in head.data[:MIMETYPE_END]
    return head.data.startswith(b"PK\x03\x04") and (is_named or head.suffix == "ods")


def detect(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a spreadsheet."""
    # Web processes import the formats, and pyarrow takes 46 MB.
    from jobsui.files.ods import workbook  # noqa: PLC0415

    return workbook.detect(stream, head, chosen)


def read(stream: BinaryIO, layout: Layout) -> Reading:
    """Row numbers are those of the sheet. Raises FileRefused."""
    from jobsui.files.ods import workbook  # noqa: PLC0415

    return workbook.read(stream, layout)
