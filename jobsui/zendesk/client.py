"""HTTP to one Zendesk account. One request, one response: there are no retries here,
because only the caller knows whether sending again is harmless."""

import json as jsonlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.zendesk.errors import (
    Forbidden,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    TooManyJobs,
    Unauthorized,
    Unconfirmed,
)
from jobsui.zendesk.masking import masked, masked_headers, secrets_of
from jobsui.zendesk.payloads import Json, Response
from jobsui.zendesk.transport import HttpTransport, Request, Transport

DEFAULT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "Jobs UI",
}
MAX_LISTED = 7_500
"""Characters of IDs in one URL, encoded. Zendesk publishes no limit; common servers accept
8,000 for the whole URL."""
MAX_DETAILS = 200
"""Characters of a response that go into an error."""
MAX_CODE = 80
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0
"""A longer Retry-After is cut to this: one odd header must not stop an account for
days."""


class Client:
    """Calls to one account.

    `authorization` gives the Authorization header's value for each request, and may
    renew a token first; None sends no such header. Threads may share a client: each
    thread has a connection of its own.
    """

    def __init__(
        self,
        base_url: str,
        authorization: Callable[[], str] | None,
        *,
        request_timeout: float = 35.0,
        clock: Clock = SYSTEM_CLOCK,
        transport: Transport | None = None,
    ) -> None:
        """`request_timeout` limits a whole request, from connecting to the last byte of
        its response. `transport` None: HTTP over sockets."""
        self.base_url = base_url
        self._authorization = authorization
        self._request_timeout = request_timeout
        self._clock = clock
        self._transport = transport or HttpTransport()
        self._max_listed = MAX_LISTED
        self._last_date: tuple[datetime, float] | None = None
        """The account's time at its last response, and our monotonic time then."""

    @property
    def max_listed(self) -> int:
        """Encoded characters of IDs that one URL may have."""
        return self._max_listed

    def lower_max_listed(self, length: int) -> None:
        """From now on list no more than this: the account has refused a longer URL."""
        self._max_listed = min(self._max_listed, length)

    @property
    def account_time(self) -> datetime | None:
        """The account's time now, however our own clock was set since its last response.
        None before the first one."""
        if self._last_date is None:
            return None
        date, at = self._last_date
        return date + timedelta(seconds=self._clock.monotonic() - at)

    @property
    def clock_ahead(self) -> timedelta:
        """By how much our clock is ahead of the account's; 0 while that is not known."""
        account_time = self.account_time
        return self._clock.now() - account_time if account_time else timedelta()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Response:
        """Send once and read the whole response, whatever its status, within `deadline`
        seconds (by default the client's request_timeout). Credentials that the response
        repeats are hidden.

        Raises NotSent when the request certainly did not go out, Unconfirmed when it may
        have.
        """
        sent_headers = DEFAULT_HEADERS | dict(headers or {})
        if body is not None:
            sent_headers.setdefault("Content-Type", "application/json")
        if self._authorization is not None:
            with sending_nothing():
                sent_headers["Authorization"] = self._authorization()
        if deadline is None:
            deadline = self._request_timeout
        started = self._clock.monotonic()
        received = self._transport.exchange(
            Request(method, self.base_url + path, sent_headers, params, body),
            deadline=deadline,
        )
        finished = self._clock.monotonic()
        if date := _date(received.headers):
            self._last_date = (date, finished)
        secrets = secrets_of(sent_headers.get("Authorization", ""))
        return Response(
            received.status,
            masked_headers(received.headers, secrets),
            masked(received.body, secrets),
            finished - started,
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Json = None,
        body: bytes | None = None,
        deadline: float | None = None,
    ) -> Json:
        """`request`, with the response's JSON decoded; None for an empty body.

        Raises NotSent, Unconfirmed, RateLimited (TooManyJobs), Refused (Unauthorized, Forbidden,
        NotFound).
        """
        if json is not None:
            body = jsonlib.dumps(json, ensure_ascii=False).encode()
        response = self.request(
            method, path, params=params, body=body, deadline=deadline
        )
        return decoded(response, what=f"{method} {path}")


@contextmanager
def sending_nothing() -> Iterator[None]:
    """For steps before a request: even if the result of a step is unconfirmed, the
    request itself was not sent."""
    try:
        yield
    except Unconfirmed as error:
        raise NotSent(
            error.message,
            status=error.status,
            code=error.code,
            details=error.details,
            host=error.host,
        ) from None


def decoded(response: Response, *, what: str) -> Json:
    """The JSON of a 2xx response, None for an empty one. Raises like `raise_for`, and
    Unconfirmed when it is not JSON."""
    raise_for(response, what=what)
    if not response.body:
        return None
    try:
        return response.json()
    except ValueError:
        raise Unconfirmed(
            "Zendesk's response is not JSON. Check the subdomain.",
            status=response.status,
            details=_text(response),
            response=response,
        ) from None


def raise_for(response: Response, *, what: str) -> None:
    """Raise the error a response stands for; return when it is a 2xx. `what` names the
    call in the message."""
    status = response.status
    if 200 <= status < 300:
        return
    code, message, details = read_error(response)
    facts: dict[str, Any] = {
        "status": status,
        "code": code,
        "details": details,
        "request_id": _request_id(response),
        "response": response,
    }
    # Zendesk does not publish the status of TooManyJobs.
    is_about_slots = code == "TooManyJobs" and status < 500
    if status == 429 or is_about_slots:
        kind = TooManyJobs if is_about_slots else RateLimited
        sentence = message or "Zendesk asked to slow down."
        raise kind(sentence, retry_after=retry_after(response), **facts)
    if status >= 500 or status < 400:
        reason = f": {message}" if message else "."
        raise Unconfirmed(f"Zendesk responded to {what} with {status}{reason}", **facts)
    kinds: dict[int, type[Refused]] = {401: Unauthorized, 403: Forbidden, 404: NotFound}
    refusal = kinds.get(status, Refused)
    raise refusal(message or f"Zendesk refused {what} with {status}.", **facts)


def read_error(response: Response) -> tuple[str, str, str]:
    """Zendesk's (code, message, details) from any of the envelopes it uses; "" for what
    is missing. Long texts are cut."""
    code, message = _code_and_message(response)
    return code[:MAX_CODE], message[:MAX_DETAILS], _text(response)


def retry_after(response: Response) -> float | None:
    """Seconds to wait by the response's Retry-After, given as seconds or as a date;
    None when it has none that can be read."""
    value = (response.headers.get("Retry-After") or "").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isdecimal():
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    wait = (until - _sent_at(response)).total_seconds()
    return min(max(0.0, wait), MAX_RETRY_AFTER_SECONDS)


def _sent_at(response: Response) -> datetime:
    """By Zendesk's clock, because ours may be wrong."""
    try:
        date = parsedate_to_datetime(response.headers.get("Date") or "")
    except (ValueError, OverflowError):
        return datetime.now(UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _request_id(response: Response) -> str:
    headers = response.headers
    return headers.get("X-Zendesk-Request-Id") or headers.get("X-Request-Id") or ""


def _code_and_message(response: Response) -> tuple[str, str]:
    try:
        data = response.json()
    except ValueError:
        text = _text(response)
        return "", "" if text.startswith("<") else text
    if not isinstance(data, dict):
        return "", _text(response)
    error = data.get("error")
    if isinstance(error, dict):
        title = error.get("title") or ""
        return str(title), str(error.get("message") or title)
    errors = data.get("errors")
    if isinstance(errors, list) and errors:
        first = errors[0] if isinstance(errors[0], dict) else {"title": errors[0]}
        message = first.get("detail") or first.get("title") or ""
        return str(first.get("code") or ""), str(message)
    message = (
        data.get("error_description")
        or data.get("description")
        or data.get("message")
        or error
        or ""
    )
    details = _details(data.get("details"))
    return str(error or ""), f"{message}: {details}" if details else str(message)


def _details(details: Json) -> str:
    """ "name: already exists" of {"name": [{"description": "already exists"}]}."""
    if not isinstance(details, dict):
        return ""
    found = []
    for field, entries in details.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            text = entry.get("description") if isinstance(entry, dict) else entry
            found.append(str(text) if field == "base" else f"{field}: {text}")
    return "; ".join(found)


def _text(response: Response) -> str:
    return response.body[:800].decode("utf-8", "replace").strip()[:MAX_DETAILS]


def _date(headers: Mapping[str, str]) -> datetime | None:
    """None when the headers have no date."""
    try:
        date = parsedate_to_datetime(headers.get("Date") or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
