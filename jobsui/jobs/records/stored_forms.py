"""How an account changes values when it stores them, for example by trimming. Proofs show it,
and every comparison of values uses it (`mapping/comparison.py`)."""

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs.models import Job


def learn(job: Job, found: Collection[tuple[str, str]]) -> None:
    """`found`: (key of a field, form) of records that were not changed after the job."""
    if not found:
        return
    own = CustomObject.objects.select_for_update()
    custom_object = own.get(connection=job.connection, key=job.object_key)
    known = custom_object.stored_forms
    now = timezone.now().isoformat(timespec="seconds")
    for key, form in sorted(found):
        known.setdefault(key, {}).setdefault(form, now)
    custom_object.save(update_fields=["stored_forms"])


def forget(custom_object: CustomObject, key: str, form: str) -> None:
    """From now on, compare values of a field without this form."""
    with transaction.atomic():
        own = CustomObject.objects.select_for_update().get(pk=custom_object.pk)
        forms = own.stored_forms.get(key, {})
        forms.pop(form, None)
        if not forms:
            own.stored_forms.pop(key, None)
        own.save(update_fields=["stored_forms"])
