"""Sends messages, at least once each.

An attempt is committed before anything is sent. A worker that is killed in between leaves it
open, and it is made again: the message may arrive twice, with the same ID."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import models
from django.utils import timezone

from jobsui.connections.encryption import SecretUnreadable
from jobsui.notifications import formats, targets
from jobsui.notifications.errors import NotDelivered, TargetRefused
from jobsui.notifications.messages import Message, message
from jobsui.notifications.models import (
    Channel,
    Delivery,
    DeliveryState,
    Notification,
    Target,
)

PAUSES = [
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60)
]
"""After each failed attempt. After one more, the message is given up."""
MAX_ATTEMPTS = len(PAUSES) + 1
ATTEMPT_TIMEOUT = timedelta(minutes=2)
"""After this time, the worker that makes an attempt counts as lost."""


def deliver(pk: int, *, now: Callable[[], datetime] = timezone.now) -> None:
    """Make the next attempt of a message, unless it is not due or another worker makes it."""
    delivery = _claimed(pk, now())
    if delivery is None:
        return
    try:
        _send(delivery, now())
    except (NotDelivered, TargetRefused, SecretUnreadable) as error:
        _failed(delivery, str(error), now())
    else:
        _change(delivery, state=DeliveryState.SENT, error="")


def _claimed(pk: int, now: datetime) -> Delivery | None:
    waiting = Delivery.objects.filter(
        pk=pk, state=DeliveryState.WAITING, next_at__lte=now
    )
    is_ours = waiting.update(
        attempts=models.F("attempts") + 1, next_at=now + ATTEMPT_TIMEOUT
    )
    if not is_ours:
        return None
    related = Delivery.objects.select_related("notification__connection", "channel")
    delivery = related.get(pk=pk)
    if delivery.attempts > MAX_ATTEMPTS:
        # Workers were lost during attempts.
        _change(delivery, state=DeliveryState.GIVEN_UP)
        return None
    return delivery


def _failed(delivery: Delivery, error: str, now: datetime) -> None:
    if delivery.attempts >= MAX_ATTEMPTS:
        _change(delivery, state=DeliveryState.GIVEN_UP, error=error[:300])
    else:
        pause = PAUSES[delivery.attempts - 1]
        _change(delivery, next_at=now + pause, error=error[:300])


def _change(delivery: Delivery, **fields: object) -> None:
    """Unless another worker has made a later attempt."""
    ours = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts)
    ours.filter(state=DeliveryState.WAITING).update(**fields)


def _send(delivery: Delivery, now: datetime) -> None:
    channel = delivery.channel
    text = message(delivery.notification)
    if channel.target == Target.MAIL:
        _mail(delivery, channel, text)
        return
    body = formats.encoded(_content(channel, delivery.notification, text))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "JobsUI",
        "Jobsui-Message-Id": str(delivery.code),
    }
    if secret := channel.secret("secret"):
        timestamp = int(now.timestamp())
        headers |= formats.signed_headers(
            body, secret=secret, timestamp=timestamp, code=delivery.code
        )
    targets.post(targets.parse(channel.secret("url")), body, headers)


def _content(
    channel: Channel, notification: Notification, text: Message
) -> dict[str, object]:
    match channel.target:
        case Target.SLACK:
            return formats.slack(text)
        case Target.TEAMS:
            return formats.teams(text)
        case _:
            return formats.webhook(notification, text)


def _mail(delivery: Delivery, channel: Channel, text: Message) -> None:
    if not settings.DEFAULT_FROM_EMAIL:
        raise NotDelivered(
            "Mail is off. The server's administrator sets EMAIL_URL to turn it on."
        )
    body = "\n\n".join((*text.lines, text.link))
    headers = {
        "Message-ID": f"<{delivery.code}@jobsui>",
        "Auto-Submitted": "auto-generated",
    }
    mail = EmailMessage(
        f"[Jobs UI] {text.title}",
        body,
        settings.DEFAULT_FROM_EMAIL,
        channel.addresses.split(","),
        headers=headers,
    )
    try:
        mail.send()
    except OSError as error:  # smtplib's errors are among them.
        kind = type(error).__name__
        raise NotDelivered(f"The mail server did not take it ({kind}).") from None
