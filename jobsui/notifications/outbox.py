"""What happened becomes messages, in the transaction in which it happened."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from jobsui.connections.models import Connection
from jobsui.notifications.models import (
    CONNECTION_KINDS,
    Channel,
    Delivery,
    DeliveryState,
    Kind,
    Notification,
)

MAX_SUBJECT = 300
MAX_DUE = 200
"""Messages that a sweep enqueues, at most. The next one enqueues others."""


def notify(
    kind: Kind,
    key: str,
    connection: Connection,
    *,
    subject: str,
    path: str,
    facts: Mapping[str, Any],
) -> list[int]:
    """Write a message for every channel that wants it, and return their IDs. `key`: the same
    for the same outcome, which is told once. `facts`: JSON, as Kind says."""
    channels = Channel.objects.of(connection)
    notification = Notification(kind=kind, facts=facts)
    wanted = [channel for channel in channels if channel.wants(notification)]
    if not wanted:
        return []
    stored, is_new = Notification.objects.get_or_create(
        key=key,
        defaults={
            "kind": kind,
            "connection": connection,
            "subject": subject[:MAX_SUBJECT],
            "path": path,
            "facts": dict(facts),
        },
    )
    return [_write(stored, channel) for channel in wanted] if is_new else []


def write_test(channel: Channel) -> int:
    """A message that shows whether a channel works, and returns its ID."""
    notification = Notification.objects.create(
        kind=Kind.TEST,
        key=f"test:{uuid4()}",
        connection=channel.connection,
        subject=channel.name,
        path=f"/notifications/{channel.pk}/",
    )
    return _write(notification, channel)


def due(now: datetime) -> list[int]:
    """The IDs of messages whose next attempt may begin."""
    waiting = Q(state=DeliveryState.WAITING, next_at__lte=now)
    found = Delivery.objects.filter(waiting).order_by("next_at")
    return list(found.values_list("pk", flat=True)[:MAX_DUE])


def expired(now: datetime) -> QuerySet[Notification]:
    """What is no longer kept. What is known of a connection is kept for longer: it decides
    what the next message is."""
    if not settings.KEEP_MESSAGES_DAYS:
        return Notification.objects.none()
    oldest = now - timedelta(days=settings.KEEP_MESSAGES_DAYS)
    old = Notification.objects.filter(at__lt=oldest)
    return old.exclude(kind__in=[*CONNECTION_KINDS, Kind.CREDENTIAL_ENDING]).exclude(
        deliveries__state=DeliveryState.WAITING
    )


def _write(notification: Notification, channel: Channel) -> int:
    delivery = Delivery.objects.create(
        notification=notification, channel=channel, next_at=timezone.now()
    )
    return delivery.pk
