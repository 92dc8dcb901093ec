"""What a connection refuses, and what Zendesk's errors mean for the person who sees
them."""

from jobsui.zendesk import oauth
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    TooManyJobs,
    Unauthorized,
    Unconfirmed,
    ZendeskError,
)

__all__ = [
    "ConnectionInUse",
    "ConnectionRefused",
    "ConnectionsError",
    "HostRefused",
    "MoveRefused",
    "NotFound",
    "NotSent",
    "RateLimited",
    "Refused",
    "RequestRefused",
    "Unconfirmed",
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
    """The connection has jobs, so it cannot change in this way."""


class MoveRefused(ConnectionsError):
    """The new credentials are not used. Nothing was changed."""


class RequestRefused(ConnectionsError):
    """A test request that we do not send: wrong path, method or body."""


NO_API = (
    "The host responded, but it has no Zendesk API (404). Check the subdomain, and "
    "that the account is still open."
)
RECONNECT = "Reconnect: create a new token in Zendesk and enter it in this connection."
_BY_CODE = {
    oauth.NO_TOKEN_ENDPOINT: NO_API,
    "tls": (
        "Secure connection failed: the certificate is not trusted. "
        "Check the host, or a proxy in between."
    ),
    "connect_timeout": "The host did not respond. Check the network of this server.",
    "refused": (
        "The host refused the connection. "
        "Check the host and port, and the network of this server."
    ),
    "timeout": "Zendesk did not respond in time. Try again in a minute.",
    "invalid_grant": f"{oauth.REASONS['invalid_grant']} {RECONNECT}",
    oauth.CODE_REFUSED: f"{oauth.CODE_REFUSAL} Start it again.",
    "invalid_token": f"The access token has expired or was revoked. {RECONNECT}",
    "invalid_client": (
        f"{oauth.REASONS['invalid_client']} "
        "Check the client ID, and replace the secret."
    ),
    "invalid_scope": (
        f"{oauth.REASONS['invalid_scope']} Give it one of these pairs in Zendesk."
    ),
}
ZENDESK = ".zendesk.com"


def explain(error: ZendeskError) -> str:
    """What happened and what to do about it, in a sentence or two. Contains no
    secret."""
    if error.code in {"no_such_host", "dns"}:
        return _explain_dns(error)
    if sentence := _BY_CODE.get(error.code):
        return sentence
    reason = error.message.rstrip(".")
    match error:
        case Unauthorized():
            return (
                f"Zendesk does not accept the credentials ({reason}). "
                "Replace the secret of this connection."
            )
        case Forbidden() if "scope" in f"{error.message} {error.details}".lower():
            return (
                f"The token lacks a scope ({reason}). "
                "Give its OAuth client the scopes read and write."
            )
        case Forbidden():
            return (
                f"The credentials lack a permission ({reason}). "
                "Give their role access to custom objects."
            )
        case NotFound():
            return (
                f"Zendesk did not find this ({reason}). "
                "Check the object key, and that custom objects are turned on."
            )
        case TooManyJobs():
            return (
                "All job slots of the account are in use. "
                "Try again when some of its jobs have finished."
            )
        case RateLimited():
            return (
                "The account's request limit is used up for this minute. "
                "Try again shortly."
            )
        case NotSent() | Unconfirmed():
            return (
                f"{reason}. Try again. If it happens again, check the host and "
                "Zendesk's status page."
            )
    return f"Zendesk refused: {reason}."


def _explain_dns(error: ZendeskError) -> str:
    """The name may be wrong only if DNS says that there is no such host. Other errors
    of DNS say nothing about the account."""
    name = error.host.partition(":")[0]
    if error.code == "dns":
        return (
            f"The name {name} could not be resolved: DNS did not answer. "
            "Check the network and DNS of this server, then try again."
        )
    suspect = "The subdomain" if name.endswith(ZENDESK) else "The host name"
    return (
        f"DNS has no host {name}. {suspect} may be misspelled. "
        "If it is right, check the DNS of this server."
    )
