"""The rows that an undo puts back: what the undone job did, and what their records held before.

A line of a page is JSON: {"action", "outcome", "id", "item", "at", "image", "began"}."""

from collections.abc import Callable, Collection, Generator, Mapping
from functools import partial

from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.live import sent_rows
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.live.undo import Done, names_of
from jobsui.jobs.mapping.options import UNDO_FIELDS, UNDO_ROWS
from jobsui.jobs.models import BatchBlob, BatchImages, Job
from jobsui.jobs.preparation.pending_rows import Chunk
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import Image
from jobsui.zendesk.payloads import Json

CHANGING = frozenset({Outcome.UPDATED, Outcome.CREATED_OR_UPDATED})


def read(
    job: Job, after: int, _keep_lease: Callable[[int], None]
) -> Generator[list[Chunk]]:
    """The rows after row `after` that have changed a record. Raises FileRefused if a batch
    cannot be read."""
    assert job.parent is not None  # noqa: S101  # An undo has one.
    line_of = partial(_line_of, fields=chosen_fields(job))
    return sent_rows.read_lines(
        job.parent, after, line_of, chosen_rows(job), with_images=True
    )


def chosen_rows(undo: Job) -> RowRanges | None:
    """The rows of the undone job that an undo puts back; None: all."""
    rows = undo.options.get(UNDO_ROWS)
    return None if rows is None else RowRanges.from_json(rows)


def chosen_fields(undo: Job) -> frozenset[str] | None:
    """The names of the values that an undo puts back; None: all."""
    fields = undo.options.get(UNDO_FIELDS)
    return None if fields is None else frozenset(fields)


def _line_of(
    blob: BatchBlob, *, fields: Collection[str] | None
) -> Callable[[int, dict[str, Json]], dict[str, Json] | None]:
    found = _images_of(blob)
    started_at = blob.batch.job.started_at
    began = started_at.isoformat() if started_at else ""

    def line(index: int, sent: dict[str, Json]) -> dict[str, Json] | None:
        if Outcome(sent["outcome"]) is Outcome.UNCHANGED:
            return None
        image = found.get(index)
        if fields is not None and not _concerns(sent, image, fields):
            return None
        old = images.as_list(image) if image else None
        return sent | {"image": old, "began": began}

    return line


def _images_of(blob: BatchBlob) -> Mapping[int, Image]:
    if blob.batch.job.undo_pruned_at is not None:
        return {}
    try:
        return images.unpacked(blob.batch.before.images)
    except BatchImages.DoesNotExist:
        return {}


def _concerns(
    sent: Mapping[str, Json], image: Image | None, fields: Collection[str]
) -> bool:
    """Whether a row changed, or may have changed, one of these values of an existing record."""
    if Outcome(sent["outcome"]) not in CHANGING:
        return False
    names = image.old if image is not None else names_of(sent["item"])
    return not frozenset(names).isdisjoint(fields)


def done_of(line: Mapping[str, Json]) -> Done:
    image = Image(*line["image"]) if line["image"] else None
    return Done(
        action=Action(line["action"]),
        outcome=Outcome(line["outcome"]),
        record_id=line["id"] or (image.record_id if image else ""),
        item=line["item"],
        at=line["at"],
        image=image,
        began=line.get("began", ""),
    )
