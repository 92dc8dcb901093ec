"""What can go wrong between Jobs UI and Zendesk, one class for each way in which callers
must act differently."""

from typing import Any

from jobsui.zendesk.payloads import Response


class ZendeskError(Exception):
    """A call without a usable response. `message` is a sentence for people; it never
    contains a secret."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        details: str = "",
        request_id: str = "",
        response: Response | None = None,
        host: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """HTTP status, None when there was no response."""
        self.code = code
        """Zendesk's error code ("RecordNotFound", "TooManyJobs", "invalid_token"), or
        ours for a transport failure ("no_such_host", "dns", "tls", "refused",
        "timeout", ...); "" when there is none."""
        self.details = details
        """The first 200 characters of the response's body."""
        self.request_id = request_id
        self.response = response
        """None when there was no response."""
        self.host = host
        """Of a transport failure: the host, and its port if it is not the usual one."""


class NotSent(ZendeskError):
    """The request certainly did not reach Zendesk: no such host, connection refused,
    TLS failure before sending."""


class Unconfirmed(ZendeskError):
    """Zendesk may or may not have acted on the request: timeout or reset after sending,
    5xx, an unreadable response."""


class RateLimited(ZendeskError):
    """429: Zendesk did not act on the request. `retry_after` is in seconds, None when
    Zendesk gave none."""

    def __init__(
        self, message: str, *, retry_after: float | None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class TooManyJobs(RateLimited):
    """429 because 30 jobs are queued or running in the account, those of other
    integrations included."""


class Refused(ZendeskError):
    """Another 4xx: Zendesk refused the request and changed nothing."""

    @property
    def is_temporary(self) -> bool:
        """Whether it refused the request because of its time, not because of its
        content or its sender."""
        return self.status in {408, 409, 423, 425}


class Unauthorized(Refused):
    """401: the credentials are wrong, expired or revoked, or a token refresh was
    refused."""


class Forbidden(Refused):
    """403: scope, role or permission is missing."""


class NotFound(Refused):
    """404: no such object, record, job status or route."""
