"""Moving a connection to new OAuth credentials. They are tested while the old ones are in use,
and then replace them in one transaction: jobs go on with the new ones, and the old ones are
deleted. Otherwise nothing changes."""

from dataclasses import asdict

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobsui.audit import log
from jobsui.audit.models import Action
from jobsui.connections import credentials, health, hosts, scopes
from jobsui.connections.credentials import OauthCredentials
from jobsui.connections.editing import subject_of
from jobsui.connections.errors import MoveRefused, explain
from jobsui.connections.health import TestResult
from jobsui.connections.models import Connection, SignIn
from jobsui.zendesk.errors import Unauthorized, ZendeskError

UNCHANGED = "Nothing was changed; the connection uses its old credentials."
MUST_STAY = ("host", "sign_in", "client_id", "secret_set_at")
"""If one of them changes meanwhile, another person has changed the connection."""


def move_to_client(
    connection: Connection,
    client_id: str,
    client_secret: str,
    *,
    other_user: bool,
    by: User,
) -> TestResult:
    """To the client credentials grant. Raises as `move`, and what a request for a token
    raises."""
    url = hosts.base_url(connection.host)
    for granular_scopes in (True, False):
        candidate = Connection(
            host=connection.host,
            sign_in=SignIn.OAUTH_CLIENT,
            client_id=client_id,
            granular_scopes=granular_scopes,
        )
        token = credentials.fetch_for_client(candidate, url, client_secret)
        result = health.test_token(connection.host, token.access_token)
        if result.ok:
            break
    new = OauthCredentials(
        SignIn.OAUTH_CLIENT, client_id, client_secret, token, granular_scopes
    )
    return _move(connection, new, result, other_user=other_user, by=by)


def move(
    connection: Connection, new: OauthCredentials, *, other_user: bool, by: User
) -> TestResult:
    """Use these from now on. `connection`: as it was before they were requested;
    `other_user`: they may belong to another user than the old ones. Raises MoveRefused and
    HostRefused."""
    result = health.test_token(connection.host, new.token.access_token)
    return _move(connection, new, result, other_user=other_user, by=by)


def _move(
    connection: Connection,
    new: OauthCredentials,
    result: TestResult,
    *,
    other_user: bool,
    by: User,
) -> TestResult:
    if not result.ok:
        raise MoveRefused(
            f"The new credentials do not work: {result.error} {UNCHANGED}"
        )
    held = (new.token.scope or "").split()
    if not scopes.suffice(held):
        raise MoveRefused(f"{' '.join(scopes.limits(held))} {UNCHANGED}")
    if not other_user and credentials.has_secret(connection):
        _require_same_user(connection, result)
    _replace(connection, new, result, by)
    return result


def _require_same_user(connection: Connection, result: TestResult) -> None:
    """Refuse credentials of another user. Stored ones that no longer work have no known user."""
    allow = "Allow another user if that is what you want."
    try:
        old = health.user_of(connection)
    except Unauthorized:
        return
    except ZendeskError as error:
        raise MoveRefused(
            "Whom the old credentials belong to could not be read: "
            f"{explain(error)} {UNCHANGED}"
        ) from None
    if old.user_id is None or old.user_id == result.user_id:
        return
    if result.user_id is None:
        raise MoveRefused(
            "Zendesk does not show with these scopes whether the new credentials belong to "
            f"{old.user}, too. {UNCHANGED} {allow}"
        )
    raise MoveRefused(
        f"The new credentials belong to {result.user}, the old ones to {old.user}. "
        f"{UNCHANGED} {allow}"
    )


def _replace(
    connection: Connection, new: OauthCredentials, result: TestResult, by: User
) -> None:
    with transaction.atomic():
        current = (
            Connection.objects.select_for_update().filter(pk=connection.pk).first()
        )
        if current is None or any(
            getattr(current, name) != getattr(connection, name) for name in MUST_STAY
        ):
            raise MoveRefused(
                "The connection was changed or removed meanwhile. "
                "The new credentials are not used."
            )
        before = {"sign_in": current.sign_in, "scopes": current.scopes}
        credentials.replace_by_oauth(current, new, by=by)
        current.tested_at = timezone.now()
        current.test_passed = result.ok
        current.test_result = asdict(result)
        current.save(update_fields=["tested_at", "test_passed", "test_result"])
        after = {"sign_in": current.sign_in, "scopes": current.scopes}
        log.record(
            Action.CREDENTIAL_MOVED, subject_of(current), before=before, after=after
        )
