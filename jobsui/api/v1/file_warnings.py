"""The warnings about a file, in responses of the file and of jobs made of it, and those of
a job's check."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from jobsui.api.schema import Schema
from jobsui.jobs.models import File
from jobsui.jobs.reports.check_warnings import CheckWarning


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


class KeyExampleOut(Schema):
    before: str
    """The key in the file."""
    after: str
    """The key that a record has."""
    name: str
    """Of that record."""


class KeyProposalOut(Schema):
    """What explains why few keys of the file have a record."""

    mapping: dict[str, dict[str, Any]]
    """What the `mapping` of a job should have for the key. Empty if it is not the mapping."""
    connection: UUID | None
    """The connection whose account has the records."""
    sampled: int
    """How many keys from all over the file were looked up."""
    exist: int
    """How many of them have a record."""
    would_exist: int
    """How many have one by this proposal."""
    examples: list[KeyExampleOut]


class JobWarningOut(FileWarningOut):
    """What a person should know before the job is sent."""

    source: Literal["file", "check"]
    """`file`: found in the file, whatever it is sent to. `check`: Zendesk may refuse these
    valid rows, or it could not be found out whether it does. `sample_values` then has a few
    different values."""
    proposal: KeyProposalOut | None = None
    """Of `keys_would_match`, `keys_in_other_column` and `keys_in_other_account`."""


def serialize_for_job(file: File, found: Iterable[CheckWarning]) -> list[JobWarningOut]:
    """`found`: those of the check."""
    of_file = [
        JobWarningOut(source="file", **warning.model_dump())
        for warning in serialize(file)
    ]
    of_check = [
        JobWarningOut(
            source="check",
            code=warning.code,
            column=warning.column or None,
            count=warning.count or None,
            message=warning.message,
            fix=warning.fix or None,
            sample_rows=warning.sample_rows,
            sample_values=warning.sample_values,
            proposal=_proposal(warning.proposal) if warning.proposal else None,
        )
        for warning in found
    ]
    return of_file + of_check


def _proposal(found: Mapping[str, Any]) -> KeyProposalOut:
    mapping = {}
    if found["column"]:
        mapping[found["column"]] = {"field": found["target"], **(found["rule"] or {})}
    return KeyProposalOut(
        mapping=mapping,
        connection=found["connection"],
        sampled=found["sampled"],
        exist=found["exist"],
        would_exist=found["would_exist"],
        examples=found["examples"],
    )


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
