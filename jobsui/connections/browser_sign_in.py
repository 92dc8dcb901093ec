"""The sign-in of a person at Zendesk, which gives a connection its tokens: the authorization
code grant with PKCE. State and verifier are random, count once and for a few minutes, and only
in the session in which they were made. The verifier and the client's secret stay on the
server, encrypted."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobsui.connections import encryption, hosts
from jobsui.connections.credentials import OauthCredentials
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.errors import MoveRefused
from jobsui.connections.models import Connection, OauthSignIn, SignIn
from jobsui.zendesk import oauth

VALID = timedelta(minutes=10)
UNKNOWN = (
    "This sign-in at Zendesk is not known here: it was used already, took longer than "
    "10 minutes, or was started in another session. Nothing was changed. Start it again."
)
DENIALS = {
    "access_denied": "Access was denied at Zendesk.",
    "invalid_scope": "The OAuth client does not have these scopes. Choose the others.",
}


@dataclass(frozen=True, slots=True)
class Started:
    """A sign-in from which a person has come back."""

    connection: Connection
    other_user: bool
    client_id: str
    client_secret: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str
    scope: str


def start(
    connection: Connection,
    *,
    client_id: str,
    client_secret: str,
    is_granular: bool,
    redirect_uri: str,
    other_user: bool,
    session_key: str,
    by: User,
) -> str:
    """The address at Zendesk where the person signs in. `client_secret`: "" for a public
    client; `is_granular`: ask for the scopes of custom objects alone. An earlier sign-in of
    the person for the connection ends. Raises HostRefused."""
    url = hosts.base_url(connection.host)
    scope = oauth.GRANULAR_SCOPE if is_granular else oauth.GLOBAL_SCOPE
    state = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(48)
    digest = _digest(state)
    secret = client_secret and encryption.encrypt(
        client_secret, location=_location(digest, "client_secret")
    )
    with transaction.atomic():
        OauthSignIn.objects.filter(connection=connection, person=by).delete()
        OauthSignIn.objects.create(
            state_digest=digest,
            session_digest=_digest(session_key),
            person=by,
            connection=connection,
            host=connection.host,
            client_id=client_id,
            sealed_client_secret=secret,
            sealed_verifier=encryption.encrypt(
                verifier, location=_location(digest, "verifier")
            ),
            redirect_uri=redirect_uri,
            scope=scope,
            other_user=other_user,
            expires_at=timezone.now() + VALID,
        )
    return oauth.authorization_address(
        url,
        client_id,
        redirect_uri=redirect_uri,
        scope=scope,
        state=state,
        challenge=challenge_of(verifier),
    )


def take(state: str, *, session_key: str, by: User) -> Started:
    """What was started with this state. It cannot be taken again. Raises MoveRefused."""
    digest = _digest(state)
    ours = OauthSignIn.objects.filter(
        state_digest=digest, session_digest=_digest(session_key), person=by
    )
    found = ours.select_related("connection").first()
    # Of two requests at once, one deletes it.
    if found is None or not ours.delete()[0] or found.expires_at <= timezone.now():
        raise MoveRefused(UNKNOWN)
    if found.host != found.connection.host:
        raise MoveRefused(
            "The connection was changed to another host meanwhile. Start the sign-in again."
        )
    return Started(
        connection=found.connection,
        other_user=found.other_user,
        client_id=found.client_id,
        client_secret=_decrypted(found, "client_secret"),
        verifier=_decrypted(found, "verifier"),
        redirect_uri=found.redirect_uri,
        scope=found.scope,
    )


def exchange(started: Started, code: str) -> OauthCredentials:
    """The credentials for a code. They are not stored. Raises HostRefused and what a request
    raises."""
    token = oauth.authorization_code(
        hosts.base_url(started.connection.host),
        started.client_id,
        started.client_secret,
        code=code,
        verifier=started.verifier,
        redirect_uri=started.redirect_uri,
    )
    # A response without a scope means the scope that was asked for.
    scope = started.scope if token.scope is None else token.scope
    return OauthCredentials(
        SignIn.OAUTH_TOKEN,
        started.client_id,
        started.client_secret,
        replace(token, scope=scope),
    )


def denial(error: str) -> str:
    """Why Zendesk sent the person back without a code, as a sentence. `error`: its code."""
    sentence = DENIALS.get(error, "Zendesk refused the sign-in.")
    return f"{sentence} Nothing was changed."


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _decrypted(sign_in: OauthSignIn, name: str) -> str:
    sealed: str = getattr(sign_in, f"sealed_{name}")
    try:
        return sealed and encryption.decrypt(
            sealed, location=_location(sign_in.state_digest, name)
        )
    except SecretUnreadable:
        raise MoveRefused(UNKNOWN) from None


def _location(state_digest: str, name: str) -> str:
    return f"oauth_sign_in:{state_digest}:{name}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
