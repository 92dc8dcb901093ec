"""API tokens: create, authenticate, revoke.

A token is "jobsui_", a public part of eight characters, "_", and a secret part of 256
random bits. The database holds only a digest of the secret part, keyed by SECRET_KEY,
so a stolen database grants no access. A new SECRET_KEY invalidates all tokens, as it
does all sessions."""

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from jobsui.access import policy, subjects
from jobsui.access.errors import TokenRefused
from jobsui.access.models import ApiToken, ApiTokenQuerySet, Scope
from jobsui.audit import log, origin
from jobsui.audit.models import Action
from jobsui.connections.models import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KIND = "jobsui_"
PUBLIC_LENGTH = 8
PREFIX_LENGTH = len(KIND) + PUBLIC_LENGTH
MAX_LENGTH = 100
"""Longer texts are not looked up."""
LAST_USE_INTERVAL = timedelta(minutes=1)
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
SCOPE_REFUSED = "A token cannot do more than its owner. Choose a lower scope."


def scopes(user: "User") -> list[Scope]:
    """The scopes this user may give a token."""
    highest = policy.scope(user)
    return [scope for scope in Scope if highest.includes(scope)]


@transaction.atomic
def create(
    user: "User",
    name: str,
    *,
    scope: Scope = Scope.RUN,
    connection: Connection | None = None,
    days: int | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its text, which cannot be shown again. `days` None: the token does
    not expire.

    Raises TokenRefused if the user may not give it this scope.
    """
    if scope not in scopes(user):
        raise TokenRefused(SCOPE_REFUSED)
    public = "".join(secrets.choice(ALPHABET) for _ in range(PUBLIC_LENGTH))
    prefix = f"{KIND}{public}"
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
    log.record(
        Action.TOKEN_CREATED,
        subjects.of_token(token),
        after={
            "owner": user.get_username(),
            "scope": scope.value,
            "expires_at": expires_at.isoformat(timespec="minutes")
            if expires_at
            else "",
        },
    )
    return token, f"{prefix}_{secret}"


def authenticate(text: str) -> ApiToken | None:
    """The valid token of this text, or None. Records the use of the token."""
    if not _is_well_formed(text):
        return None
    prefix = text[:PREFIX_LENGTH]
    secret = text[PREFIX_LENGTH + 1 :]
    valid = ApiToken.objects.valid().select_related("user", "connection")
    token = valid.filter(prefix=prefix).first()
    if token is None or not constant_time_compare(token.digest, _digest(secret)):
        return None
    _record_use(token)
    origin.is_program(token.user.get_username(), token.prefix)
    return token


@transaction.atomic
def revoke(token: ApiToken) -> None:
    """Permanent. The token stays in the list."""
    active = ApiToken.objects.filter(pk=token.pk, revoked_at=None)
    if active.update(revoked_at=timezone.now()):
        log.record(Action.TOKEN_REVOKED, subjects.of_token(token))


def active(user: "User") -> ApiTokenQuerySet:
    """The tokens of this user that are neither revoked nor expired."""
    return ApiToken.objects.valid().filter(user=user)


def revoke_all(user: "User") -> None:
    for token in ApiToken.objects.filter(user=user, revoked_at=None):
        revoke(token)


def _is_well_formed(text: str) -> bool:
    return (
        len(text) <= MAX_LENGTH
        and text.startswith(KIND)
        and text[PREFIX_LENGTH : PREFIX_LENGTH + 1] == "_"
        and "\x00" not in text
    )


def _digest(secret: str) -> str:
    return salted_hmac("jobsui.access.tokens", secret, algorithm="sha256").hexdigest()


def _record_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USE_INTERVAL:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
