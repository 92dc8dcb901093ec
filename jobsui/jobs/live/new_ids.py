"""Follows records that an undo has created again, under a new ID."""

from collections.abc import Iterable

from django.db.models import Q

from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.ledger.unreadable import stored_results
from jobsui.jobs.models import BatchImages, Job, RecreatedRecord
from jobsui.jobs.records import images


def note(undo: Job) -> None:
    """Store the new IDs of the records that an undo has created again."""
    found = []
    created = BatchImages.objects.filter(
        batch__job=undo, batch__own_action=Action.CREATE
    )
    for before in created.select_related("batch__blob", "batch__job").iterator(50):
        old = images.unpacked(before.images)
        for index, (_, result) in enumerate(stored_results(before.batch.blob)):
            if result and result.outcome == Outcome.CREATED and index in old:
                found.append(
                    RecreatedRecord(
                        host=undo.connection.host,
                        object_key=undo.object_key,
                        old_id=old[index].record_id,
                        new_id=result.record_id,
                    )
                )
    RecreatedRecord.objects.bulk_create(found, ignore_conflicts=True)


def has_any(job: Job) -> bool:
    """Whether any record of the job's object was created again."""
    host = job.connection.host
    renewed = RecreatedRecord.objects.filter(host=host, object_key=job.object_key)
    return renewed.exists()


def family(host: str, object_key: str, record_ids: Iterable[str]) -> set[str]:
    """These IDs, and all IDs that their records had before and after."""
    known = RecreatedRecord.objects.filter(host=host, object_key=object_key)
    found = set(record_ids)
    last = found
    while last:
        pairs = known.filter(Q(old_id__in=last) | Q(new_id__in=last))
        ids = {each for pair in pairs.values_list("old_id", "new_id") for each in pair}
        last = ids - found
        found = found | last
    return found


def chains(job: Job, record_ids: Iterable[str]) -> dict[str, list[str]]:
    """{ID: the ID itself and the IDs that its record had later, the present one last}."""
    return chains_of(job.connection.host, job.object_key, record_ids)


def chains_of(
    host: str, object_key: str, record_ids: Iterable[str]
) -> dict[str, list[str]]:
    """As `chains`, for an object of an account."""
    found = {record_id: [record_id] for record_id in record_ids}
    last = {record_id: [record_id] for record_id in found}
    renewed = RecreatedRecord.objects.filter(host=host, object_key=object_key)
    while last:
        new_ids = dict(renewed.filter(old_id__in=last).values_list("old_id", "new_id"))
        following: dict[str, list[str]] = {}
        for old_id, new_id in new_ids.items():
            for first in last[old_id]:
                found[first].append(new_id)
            following.setdefault(new_id, []).extend(last[old_id])
        last = following
    return found
