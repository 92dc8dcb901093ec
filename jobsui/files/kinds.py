"""What the cells of a file are."""

from enum import IntEnum


class Kind(IntEnum):
    """What a cell is in its file."""

    TEXT = 0
    NUMBER = 1
    """The text is the number as the file has it: "1.50" or "1E+3"."""
    BOOLEAN = 2
    """The text is "true" or "false"."""
    DATE = 3
    """A date, a time or both, of a workbook. The text is in ISO 8601, a duration
    "30:15:00"."""
    NULL = 4
    """JSON's null."""
    ABSENT = 5
    """The row has no such member, or ends before this column."""
    NO_RESULT = 6
    """A formula whose result the workbook does not have."""
    ERROR = 7
    """A formula that failed. The text is "#N/A"."""
    NESTED = 8
    """A JSON object or array. The text is its JSON."""


WITHOUT_TEXT = frozenset({Kind.NULL, Kind.ABSENT, Kind.NO_RESULT})
