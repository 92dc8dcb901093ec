"""Everything that pruning deletes: history, expired sessions, expired responses to requests
with an Idempotency-Key, sign-ins at Zendesk that were not completed, and old messages."""

from collections.abc import Iterator

from django.db.models import Model, QuerySet
from django.utils import timezone

from jobsui.access.models import Session
from jobsui.api.models import IdempotencyRecord
from jobsui.connections.models import OauthSignIn
from jobsui.jobs.control import pruning
from jobsui.jobs.control.pruning import Step
from jobsui.notifications import outbox


def steps() -> Iterator[Step]:
    """Delete what is due, one short transaction for each step."""
    yield from pruning.steps()
    now = timezone.now()
    sessions = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    yield from _delete("session", sessions)
    oldest = now - IdempotencyRecord.RETENTION
    records = IdempotencyRecord.objects.filter(created_at__lt=oldest)
    yield from _delete("stored response", records.order_by("created_at"))
    sign_ins = OauthSignIn.objects.filter(expires_at__lt=now).order_by("expires_at")
    yield from _delete("sign-in at Zendesk", sign_ins)
    yield from _delete("notification", outbox.expired(now).order_by("at"))


def _delete(what: str, rows: QuerySet[Model]) -> Iterator[Step]:
    while ids := list(rows.values_list("pk", flat=True)[: pruning.MAX_ROWS]):
        number, _ = rows.model._default_manager.filter(pk__in=ids).delete()
        yield what, number
