"""What there is to know about the credentials of a connection, without a secret."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.utils import timezone

from jobsui.connections.models import API_TOKENS_END, Connection, SignIn

ENDS_SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    connection: Connection
    kind: SignIn
    scopes: list[str]
    """Empty if they are not known, or for API tokens."""
    authenticated_as: str
    """As the last test has shown it; "" if it is not known."""
    last_used_at: datetime | None
    """Up to five minutes too early. None: not used since they were set."""
    expires_at: datetime | None
    """When a person must have replaced them. None: not known, or never."""

    @property
    def days_left(self) -> int | None:
        """Whole days, begun ones included; 0 when they have ended."""
        if self.expires_at is None:
            return None
        left = self.expires_at - timezone.now()
        return max(0, math.ceil(left.total_seconds() / 86400))

    @property
    def ends_soon(self) -> bool:
        days = self.days_left
        return days is not None and days <= ENDS_SOON_DAYS

    @property
    def can_move(self) -> bool:
        """To OAuth, from something else."""
        return self.kind == SignIn.API_TOKEN


def facts_of(connection: Connection) -> CredentialFacts:
    user = connection.test_result.get("user", "") if connection.tested_at else ""
    return CredentialFacts(
        connection=connection,
        kind=SignIn(connection.sign_in),
        scopes=connection.scopes.split(),
        authenticated_as=user,
        last_used_at=connection.last_used_at,
        expires_at=_expires_at(connection),
    )


def by_end(connections: Iterable[Connection]) -> list[CredentialFacts]:
    """Those that end first come first."""
    never = datetime.max.replace(tzinfo=UTC)
    found = [facts_of(connection) for connection in connections]
    return sorted(
        found, key=lambda facts: (facts.expires_at or never, facts.connection.name)
    )


def _expires_at(connection: Connection) -> datetime | None:
    match connection.sign_in:
        case SignIn.API_TOKEN:
            return datetime.combine(API_TOKENS_END, time(), UTC)
        case SignIn.OAUTH_TOKEN if connection.sealed_refresh_token:
            # Each renewal gives a new one.
            return connection.refresh_token_expires_at
        case SignIn.OAUTH_TOKEN:
            return connection.access_token_expires_at
    return None
