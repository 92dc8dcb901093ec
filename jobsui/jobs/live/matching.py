"""Decides by what a record holds now whether it is deleted because only the account has it."""

from dataclasses import dataclass

from jobsui.jobs.enums import Verdict
from jobsui.jobs.live.keys_of_file import KeysOfFile
from jobsui.jobs.records.compare import Image, image_of
from jobsui.zendesk.payloads import Record

IN_FILE = "The record has got an external ID of the file since it was listed."
SIMILAR = (
    "The file has this external ID with other capital letters, or without the spaces around "
    "it."
)


@dataclass(frozen=True, slots=True)
class Matched:
    verdict: Verdict
    image: Image | None = None
    """Of DELETE: the whole record."""
    note: str = ""
    """Of KEPT: why."""


def matched(record: Record | None, keys: KeysOfFile) -> Matched:
    """`record`: None if it no longer exists."""
    if record is None:
        return Matched(Verdict.GONE)
    if not record.external_id:
        return Matched(Verdict.WITHOUT_KEY)
    if record.external_id in keys:
        return Matched(Verdict.KEPT, note=IN_FILE)
    if keys.has_similar(record.external_id):
        return Matched(Verdict.KEPT, note=SIMILAR)
    return Matched(Verdict.DELETE, image_of(record))
