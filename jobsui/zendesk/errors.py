"""What can go wrong between us and Zendesk, cut where a caller must act differently."""

from typing import Any

from jobsui.zendesk.payloads import Answer


class ZendeskError(Exception):
    """A call that did not end in an answer we can use. `message` is a sentence for
    people; it never holds a secret."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        details: str = "",
        request_id: str = "",
        answer: Answer | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """HTTP status, None when there was no answer."""
        self.code = code
        """Zendesk's own word for it ("RecordNotFound", "TooManyJobs", "invalid_token"),
        or ours for a transport failure ("dns", "tls", "refused", "timeout", ...); ""
        when there is none."""
        self.details = details
        """The first 200 characters of what Zendesk said."""
        self.request_id = request_id
        self.answer = answer
        """The answer itself, None when there was none."""


class NotSent(ZendeskError):
    """The request certainly never reached Zendesk: no such host, refused connection,
    TLS failure before sending."""


class Unsure(ZendeskError):
    """The request may or may not have been acted on: time-out or reset after sending,
    5xx, an unreadable answer."""


class Limited(ZendeskError):
    """429: not acted on; `retry_after` is in seconds, None when Zendesk named none."""

    def __init__(
        self, message: str, *, retry_after: float | None, **facts: Any
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class TooManyJobs(Limited):
    """429 of the job window: 30 jobs are queued or running on the account (ours or
    other integrations')."""


class Refused(ZendeskError):
    """A definite no (4xx), and nothing was changed."""


class NotSignedIn(Refused):
    """401: the credentials are wrong, expired or revoked; or a token refresh was
    refused."""


class Forbidden(Refused):
    """403: signed in, but scope, role or record permission is missing."""


class NotFound(Refused):
    """404: no such object, record, job status or route."""
