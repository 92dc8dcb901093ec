"""The numbers of rows that no file has: records that only the account has, and that a job
deletes. They are above those of all rows of files, so such rows come last wherever rows are in
order."""

FIRST_RECORD_ROW = 1 << 40


def is_record_row(row: int) -> bool:
    return row >= FIRST_RECORD_ROW


def file_row(row: int) -> int | None:
    """The number in the file; None: the row is a record that only the account has."""
    return None if is_record_row(row) else row
