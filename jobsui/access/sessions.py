"""The open sessions of a person, and their end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from jobsui.access import subjects
from jobsui.access.models import Session
from jobsui.audit import log
from jobsui.audit.models import Action

STARTED = "started_at"
USED = "used_at"
ADDRESS = "address"
USER_AGENT = "user_agent"
"""Names in a session: seconds since 1970, and what its sign-in came from."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    session_id: str
    """A digest: the key itself would open the session."""
    address: str
    user_agent: str
    """As the browser names itself; may be ""."""
    started_at: datetime
    used_at: datetime
    """Accurate to five minutes."""
    is_current: bool


def of_person(person: User, current_key: str | None = None) -> list[OpenSession]:
    """The one used last first. `current_key`: of the session that asks."""
    found = [_opened(session, current_key) for session in _stored(person)]
    oldest = timezone.now() - timedelta(days=settings.SESSION_DAYS)
    opened = [session for session in found if session.started_at > oldest]
    return sorted(opened, key=lambda session: session.used_at, reverse=True)


@transaction.atomic
def end(person: User, session_id: str) -> bool:
    """Whether there was such a session. Its next request is that of a stranger."""
    for session in _stored(person):
        if _id_of(session) == session_id:
            _end(person, session)
            return True
    return False


@transaction.atomic
def end_others(person: User, current_key: str | None = None) -> int:
    """How many were ended. None: there is no session to keep."""
    others = [each for each in _stored(person) if each.session_key != current_key]
    for session in others:
        _end(person, session)
    return len(others)


def discard_all(person: User) -> None:
    """For a change that has its own entry in the audit log."""
    Session.objects.filter(person=person).delete()


def _stored(person: User) -> list[Session]:
    return list(Session.objects.filter(person=person, expire_date__gt=timezone.now()))


def _end(person: User, session: Session) -> None:
    opened = _opened(session, None)
    session.delete()
    log.record(
        Action.SESSION_ENDED,
        subjects.of_person(person),
        before={
            "address": opened.address,
            "signed_in_at": opened.started_at.isoformat(timespec="minutes"),
        },
    )


def _opened(session: Session, current_key: str | None) -> OpenSession:
    values = session.get_decoded()
    return OpenSession(
        session_id=_id_of(session),
        address=values.get(ADDRESS, ""),
        user_agent=values.get(USER_AGENT, ""),
        started_at=datetime.fromtimestamp(values.get(STARTED, 0), UTC),
        used_at=datetime.fromtimestamp(values.get(USED, 0), UTC),
        is_current=session.session_key == current_key,
    )


def _id_of(session: Session) -> str:
    digest = salted_hmac(
        "jobsui.access.sessions", session.session_key, algorithm="sha256"
    )
    return digest.hexdigest()[:16]
