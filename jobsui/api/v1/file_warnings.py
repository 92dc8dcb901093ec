"""The warnings about a file, in responses of the file and of jobs made of it."""

from jobsui.api.schema import Schema
from jobsui.jobs.models import File


class FileWarningOut(Schema):
    """What a person should know before the file is sent. Jobs UI changes nothing."""

    code: str
    """The same for all warnings of a kind, such as `rounded`."""
    column: str | None
    """null: it concerns the file as a whole."""
    count: int | None
    """How many cells or rows it concerns; null if that is not counted."""
    message: str
    """What was found, as a sentence."""
    fix: str | None
    """What to do about it, as a sentence."""
    sample_rows: list[int]
    """The first rows that it concerns."""
    sample_values: list[str]
    """What these rows have there: as many as `sample_rows`."""


def serialize(file: File) -> list[FileWarningOut]:
    return [
        FileWarningOut(
            code=warning["code"],
            column=warning["column"] or None,
            count=warning["count"] or None,
            message=warning["message"],
            fix=warning["fix"] or None,
            sample_rows=warning["rows"],
            sample_values=warning["values"],
        )
        for warning in file.warnings
    ]
