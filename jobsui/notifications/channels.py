"""Adds, changes and removes channels."""

from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any

from django.db import transaction

from jobsui.audit import log
from jobsui.audit.log import Subject
from jobsui.audit.models import Action
from jobsui.connections import encryption
from jobsui.notifications import targets
from jobsui.notifications.models import Channel, Target

COLUMNS = ("name", "target", "connection", "kinds", "max_failed_percent", "addresses")
"""What `save` accepts besides the URL."""


def save(channel: Channel, values: Mapping[str, Any], url: str) -> str:
    """Store a new or changed channel. `values`: by the names in COLUMNS. `url`: of a webhook;
    "" leaves it as it is. Returns the key of its signatures if it was just created, to be shown
    once, else "". Raises TargetRefused."""
    before = _facts(channel) if channel.pk else None
    for column in COLUMNS:
        setattr(channel, column, values[column])
    is_mail = channel.target == Target.MAIL
    if url and not is_mail:
        channel.host = targets.parse(url).host
        channel.set_secret("url", url.strip())
    secret = ""
    if channel.target == Target.WEBHOOK and not channel.sealed_secret:
        secret = token_urlsafe(32)
        channel.set_secret("secret", secret)
    with transaction.atomic():
        channel.save()
        action = Action.CHANNEL_CHANGED if before else Action.CHANNEL_ADDED
        log.record(action, _subject(channel), before=before, after=_facts(channel))
    return secret


def remove(channel: Channel) -> None:
    with transaction.atomic():
        log.record(Action.CHANNEL_REMOVED, _subject(channel), before=_facts(channel))
        channel.delete()


def reseal(channel: Channel) -> int:
    """Encrypt the secrets of a channel under the newest key. Returns how many were under
    another one. Raises SecretUnreadable."""
    changed = []
    for name in Channel.SECRETS:
        sealed = getattr(channel, f"sealed_{name}")
        if sealed and not encryption.is_current(sealed):
            channel.set_secret(name, channel.secret(name))
            changed.append(f"sealed_{name}")
    if changed:
        channel.save(update_fields=changed)
    return len(changed)


def _subject(channel: Channel) -> Subject:
    connection = channel.connection.name if channel.connection else ""
    return Subject("channel", str(channel.pk), channel.name, connection)


def _facts(channel: Channel) -> dict[str, Any]:
    return {
        "kind": channel.target,
        "where": channel.where,
        "events": ", ".join(channel.kinds),
        "max_failed_percent": channel.max_failed_percent,
    }
