"""The rows of a job that are undone, with what it did and what there was before.

A line of a page is JSON: {"action", "outcome", "id", "item", "at", "image", "began"}."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import astuple

from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.live import sent_rows
from jobsui.jobs.live.undo import Done
from jobsui.jobs.mapping.options import UNDO_ROWS
from jobsui.jobs.models import BatchBlob, BatchImages, Job
from jobsui.jobs.preparation.pending_rows import Chunk
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import Image
from jobsui.zendesk.payloads import Json


def read(
    job: Job, after: int, _keep_lease: Callable[[int], None]
) -> Generator[list[Chunk]]:
    """Those behind row `after`. Raises FileRefused if a batch cannot be read."""
    chosen = job.options.get(UNDO_ROWS)
    wanted = None if chosen is None else frozenset(chosen)
    assert job.parent is not None  # noqa: S101  # An undo has one.
    return sent_rows.read_lines(job.parent, after, _line_of, wanted)


def _line_of(blob: BatchBlob) -> Callable[[int, dict[str, Json]], dict[str, Json]]:
    before = (
        BatchImages.objects.filter(batch=blob.batch_id).first()
        if blob.batch.job.undo_pruned_at is None
        else None
    )
    found: Mapping[int, Image] = images.unpacked(before.images) if before else {}
    started_at = blob.batch.job.started_at
    began = started_at.isoformat() if started_at else ""

    def line(index: int, sent: dict[str, Json]) -> dict[str, Json]:
        image = found.get(index)
        return sent | {"image": astuple(image) if image else None, "began": began}

    return line


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
