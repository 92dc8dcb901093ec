"""The rows of a page that has been read, each with what was found out about it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobsui.jobs.enums import Verdict
from jobsui.jobs.live import reasons
from jobsui.jobs.live.reasons import Reason
from jobsui.jobs.models import ReadPageBlob
from jobsui.jobs.models.batch import unpack, unpack_rows
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import Image
from jobsui.zendesk.payloads import Json


@dataclass(frozen=True, slots=True)
class ReadRow:
    number: int
    line: bytes
    """JSON: what the job sends of the row, or a line of `sent_rows` in a proof."""
    code: int
    """The code of a Verdict, or of a Landing in a proof."""
    record_id: str
    """ "" if there is no record, or several."""
    image: Image | None
    reasons: Sequence[Reason]
    """Why the row is kept or cannot be undone."""
    is_left_out: bool
    """A person or program has left the row out."""

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.code)

    @property
    def content(self) -> Json:
        """The line, decoded."""
        return json.loads(self.line)

    @property
    def note(self) -> str:
        """The reasons as sentences."""
        return reasons.sentences(self.reasons)


def of_page(blob: ReadPageBlob) -> Iterator[ReadRow]:
    if not blob.rows:
        return
    found_images = images.unpacked(blob.images)
    found_reasons = reasons.unpacked(blob.notes)
    left_out = left_out_of(blob)
    together = zip(
        unpack_rows(blob.rows),
        unpack(blob.payload).split(b"\n"),
        bytes(blob.verdicts),
        json.loads(unpack(blob.record_ids)),
        strict=True,
    )
    for index, (number, line, code, record_id) in enumerate(together):
        yield ReadRow(
            number,
            line,
            code,
            record_id,
            image=found_images.get(index),
            reasons=found_reasons.get(index, ()),
            is_left_out=number in left_out,
        )


def left_out_of(blob: ReadPageBlob) -> frozenset[int]:
    """The rows that a person has left out."""
    return frozenset(unpack_rows(blob.left_out) if blob.left_out else ())
