"""What a connection refuses, and what Zendesk's errors mean for the person who sees
them."""

from jobsui.zendesk import oauth
from jobsui.zendesk.errors import (
    Forbidden,
    Limited,
    NotFound,
    NotSent,
    NotSignedIn,
    Refused,
    TooManyJobs,
    Unsure,
    ZendeskError,
)

__all__ = [
    "ConnectionInUse",
    "ConnectionRefused",
    "ConnectionsError",
    "HostRefused",
    "Limited",
    "NotFound",
    "NotSent",
    "Refused",
    "RequestRefused",
    "Unsure",
    "ZendeskError",
    "explain",
]


class ConnectionsError(Exception):
    """`str()` of it is a sentence a person can act on."""


class HostRefused(ConnectionsError):
    """Not a subdomain, or a host that JOBSUI_API_HOSTS does not list."""


class ConnectionRefused(ConnectionsError):
    """Values or secrets a connection cannot have. `member` names the column or secret
    that is wrong."""

    def __init__(self, member: str, sentence: str) -> None:
        super().__init__(sentence)
        self.member = member


class ConnectionInUse(ConnectionsError):
    """Its jobs keep it where it is."""


class RequestRefused(ConnectionsError):
    """A test request that we do not send: wrong path, method or body."""


NO_ACCOUNT = "There is no Zendesk account of that subdomain. Check its spelling."
RECONNECT = "Reconnect: make a new token in Zendesk and put it into this connection."
_BY_CODE = {
    "dns": NO_ACCOUNT,
    oauth.NO_ACCOUNT: NO_ACCOUNT,
    "tls": "No safe connection could be made: the certificate is not trusted. Check the host, or a proxy in between.",
    "connect_timeout": "The host did not answer. Check the network of this server.",
    "refused": "The host refused the connection. Check the host and port, and the network of this server.",
    "timeout": "Zendesk did not answer in time. Try again in a minute.",
    "invalid_grant": f"{oauth.REASONS['invalid_grant']} {RECONNECT}",
    "invalid_token": f"The access token has expired or was revoked. {RECONNECT}",
    "invalid_client": f"{oauth.REASONS['invalid_client']} Check the client ID, and replace the secret.",
    "invalid_scope": f"{oauth.REASONS['invalid_scope']} Give it these scopes in Zendesk.",
}


def explain(error: ZendeskError) -> str:
    """What happened and what to do about it, in a sentence or two. Holds no secret."""
    if sentence := _BY_CODE.get(error.code):
        return sentence
    said = error.message.rstrip(".")
    match error:
        case NotSignedIn():
            return f"Zendesk does not accept the credentials ({said}). Replace the secret of this connection."
        case Forbidden() if "scope" in f"{error.message} {error.details}".lower():
            return f"The token lacks a scope ({said}). Give its OAuth client the scopes read and write."
        case Forbidden():
            return f"The credentials may not do this ({said}). Give their role access to custom objects."
        case NotFound():
            return f"Zendesk does not know this ({said}). Check the object key and that custom objects are on."
        case TooManyJobs():
            return "All job slots of the account are in use. Try again when some of its jobs have ended."
        case Limited():
            return "The account's request limit is used up for this minute. Try again shortly."
        case NotSent() | Unsure():
            return f"{said}. Try again; if it stays, check the host and Zendesk's status page."
    return f"Zendesk refused: {said}."
