"""Notices what has changed about connections. The sweep asks."""

from datetime import timedelta

from django.utils import timezone

from jobsui.connections.models import API_TOKENS_END, Connection, SignIn
from jobsui.notifications import outbox
from jobsui.notifications.models import CONNECTION_KINDS, Kind, Notification

DAYS_BEFORE_END = (3, 14, 30, 90)
"""When people are reminded that a credential ends."""


def notify() -> None:
    """Write messages about connections whose test failed, once until it passes again, and
    about credentials that end soon."""
    known = _last_kinds()
    for connection in Connection.objects.exclude(tested_at=None):
        is_broken = known.get(connection.pk) == Kind.CONNECTION_BROKEN
        if connection.test_passed == is_broken:
            _notify_tested(connection)
    _notify_ending()


def _last_kinds() -> dict[int | None, str]:
    """{primary key of a connection: the kind of its last message of CONNECTION_KINDS}."""
    found = Notification.objects.filter(kind__in=CONNECTION_KINDS).order_by("pk")
    return dict(found.values_list("connection_id", "kind"))


def _notify_tested(connection: Connection) -> None:
    tested_at = connection.tested_at
    passed = connection.test_passed
    error = connection.test_result.get("error", "")
    outbox.notify(
        Kind.CONNECTION_RECOVERED if passed else Kind.CONNECTION_BROKEN,
        f"test:{connection.pk}:{tested_at.isoformat() if tested_at else ''}",
        connection,
        subject=connection.name,
        path=f"/connections/{connection.code}/",
        facts={} if passed else {"reason": error},
    )


def _notify_ending() -> None:
    left = (API_TOKENS_END - timezone.localdate()) // timedelta(days=1)
    reached = [days for days in DAYS_BEFORE_END if left <= days]
    if not reached:
        return
    for connection in Connection.objects.filter(sign_in=SignIn.API_TOKEN):
        outbox.notify(
            Kind.CREDENTIAL_ENDING,
            f"ending:{connection.pk}:{reached[0]}",
            connection,
            subject=connection.name,
            path=f"/connections/{connection.code}/",
            facts={
                "reason": "Zendesk stops all API tokens on "
                f"{API_TOKENS_END:%-d %B %Y}. Switch the connection to OAuth."
            },
        )
