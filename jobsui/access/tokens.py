"""API tokens: made, recognised, revoked.

A token is "jobsui_", eight characters by which it is found, "_" and 256 random bits.
What is stored is a digest of those bits under a key that is derived from SECRET_KEY: a
stolen database opens nothing, and a new SECRET_KEY ends all tokens as it ends all
sessions."""

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from jobsui.access.errors import TokenRefused
from jobsui.access.models import ApiToken, Scope
from jobsui.connections.models import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KIND = "jobsui_"
LOOKUP = 8
PREFIX = len(KIND) + LOOKUP
LONGEST = 100
"""Characters; what is longer is no token and not looked at."""
TOLD_EVERY = timedelta(minutes=1)
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def scopes(user: "User") -> list[Scope]:
    """Those this person may make tokens of."""
    return [scope for scope in Scope if scope is not Scope.ADMIN or user.is_superuser]


def make(
    user: "User",
    name: str,
    *,
    scope: Scope = Scope.RUN,
    connection: Connection | None = None,
    days: int | None = None,
) -> tuple[ApiToken, str]:
    """A new token of this person and its text, which nobody can be told again. `days`
    None: it does not expire.

    Raises TokenRefused when the person may not do what the token is for.
    """
    if scope not in scopes(user):
        raise TokenRefused(
            "Only administrators can make tokens of the scope admin. Choose run."
        )
    prefix = KIND + "".join(secrets.choice(ALPHABET) for _ in range(LOOKUP))
    secret = secrets.token_urlsafe(32)
    expires_at = None if days is None else timezone.now() + timedelta(days=days)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=prefix,
        digest=_digest(secret),
        scope=scope,
        connection=connection,
        expires_at=expires_at,
    )
    return token, f"{prefix}_{secret}"


def recognise(text: str) -> ApiToken | None:
    """The valid token of this text, its last use noted; None: there is none."""
    prefix = text[:PREFIX]
    secret = text[PREFIX + 1 :]
    if (
        len(text) > LONGEST
        or not text.startswith(KIND)
        or text[PREFIX : PREFIX + 1] != "_"
        or "\x00" in text
    ):
        return None
    token = (
        ApiToken.objects.valid()
        .select_related("user", "connection")
        .filter(prefix=prefix)
        .first()
    )
    if token is None or not constant_time_compare(token.digest, _digest(secret)):
        return None
    _note_use(token)
    return token


def revoke(token: ApiToken) -> None:
    """For good; it stays in the list."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(
        revoked_at=timezone.now()
    )


def _digest(secret: str) -> str:
    return salted_hmac("jobsui.access.tokens", secret, algorithm="sha256").hexdigest()


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > TOLD_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
