"""HTTP to one Zendesk account. One request, one response: there are no retries here,
because only the caller knows whether sending again is harmless."""

import json as jsonlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

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
from jobsui.zendesk.payloads import Json, Response
from jobsui.zendesk.transport import Adapter, exchange

DEFAULT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "Jobs UI",
}
CHUNK_BYTES = 64 * 1024
MAX_DETAILS = 200
"""Characters of a response that go into an error."""
MAX_CODE = 80
MAX_RETRY_AFTER_SECONDS = 3600.0
"""A longer Retry-After is cut to this: one odd header must not stop an account for
days."""
MAX_IDLE_SECONDS = 3.0
"""A connection that was idle for longer is not reused for a write: the server may have
closed it. The reset would leave the request unconfirmed, although the server never read
it."""


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
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        request_timeout: float = 35.0,
        max_body_bytes: int = 64 * 1024 * 1024,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`request_timeout` limits a whole request, from connecting to the last byte of
        its response."""
        self.base_url = base_url
        self._authorization = authorization
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._request_timeout = request_timeout
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self.clock_ahead = 0.0
        """Seconds by which our clock was ahead of the account's at its last
        response."""
        self._local = threading.local()

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
        seconds (by default the client's request_timeout).

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
        try:
            status, received_headers, content = self._exchange(
                method, path, params, body, sent_headers, deadline
            )
        except (requests.RequestException, UnicodeError) as error:
            self._drop_adapter()
            raise self._translated(error, has_begun=exchange.begun) from None
        finished = self._clock.monotonic()
        self._local.used_at = finished
        self.clock_ahead = _clock_ahead(received_headers, self._clock.now())
        return Response(status, received_headers, content, finished - started)

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

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> tuple[int, Mapping[str, str], bytes]:
        # This comes first: if anything below failed before it, the thread's last
        # request would decide whether this one had begun.
        exchange.begin(deadline)
        # An adapter, not a requests.Session: proxies and .netrc of the environment must
        # not decide who receives a secret, and no cookie of one response belongs to the
        # next request. It also costs less.
        request = requests.Request(
            method, self.base_url + path, headers, data=body, params=params
        ).prepare()
        adapter = self._adapter(is_write=method != "GET")
        timeouts = (
            min(self._connect_timeout, deadline),
            min(self._read_timeout, deadline),
        )
        with adapter.send(request, stream=True, timeout=timeouts) as response:
            return response.status_code, response.headers, self._content(response)

    def _adapter(self, *, is_write: bool) -> Adapter:
        idle = self._clock.monotonic() - getattr(self._local, "used_at", 0.0)
        if is_write and idle > MAX_IDLE_SECONDS:
            self._drop_adapter()
        adapter: Adapter | None = getattr(self._local, "adapter", None)
        if adapter is None:
            adapter = Adapter()
            self._local.adapter = adapter
        return adapter

    def _drop_adapter(self) -> None:
        if adapter := getattr(self._local, "adapter", None):
            adapter.close()
            self._local.adapter = None

    def _content(self, response: requests.Response) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_content(CHUNK_BYTES):
            size += len(chunk)
            if size > self._max_body_bytes:
                raise requests.exceptions.ContentDecodingError("too large")
            chunks.append(chunk)
        return b"".join(chunks)

    def _translated(
        self, error: Exception, *, has_begun: bool
    ) -> NotSent | Unconfirmed:
        """Our error for a transport failure. The text of `error` stays out: it may
        contain what was sent."""
        failure = _failure(error)
        host = self.base_url.partition("://")[2]
        kind = Unconfirmed if has_begun else NotSent
        return kind(failure.sentence.format(host), code=failure.code, host=host)


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
    if status == 429:
        kind = TooManyJobs if code == "TooManyJobs" else RateLimited
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
    wait = (until - datetime.now(UTC)).total_seconds()
    return min(max(0.0, wait), MAX_RETRY_AFTER_SECONDS)


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


def _clock_ahead(headers: Mapping[str, str], now: datetime) -> float:
    """0 when the headers have no date."""
    try:
        date = parsedate_to_datetime(headers.get("Date") or "").timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return now.timestamp() - date


@dataclass(frozen=True, slots=True)
class _Failure:
    code: str
    sentence: str
    """With {} for the host."""
    kinds: tuple[type[BaseException], ...]
    """Errors that show this failure when one of them is among the causes."""


_NO_SUCH_HOST = _Failure("no_such_host", "DNS has no host {}.", ())
_RESET = _Failure(
    "reset", "The connection to {} broke before the response was complete.", ()
)
_FAILURES = (
    _Failure(
        "tls",
        "The certificate of {} could not be verified.",
        (ssl.SSLCertVerificationError,),
    ),
    _Failure(
        "tls",
        "The secure connection to {} failed.",
        (ssl.SSLError, requests.exceptions.SSLError),
    ),
    _Failure("dns", "The name {} could not be resolved.", (NameResolutionError,)),
    _Failure("refused", "{} refused the connection.", (NewConnectionError,)),
    _Failure(
        "connect_timeout",
        "{} did not accept a connection in time.",
        (ConnectTimeoutError,),
    ),
    _Failure(
        "timeout", "{} did not respond in time.", (TimeoutError, ReadTimeoutError)
    ),
    _Failure(
        "body",
        "The response of {} was too large or damaged.",
        (requests.exceptions.ContentDecodingError,),
    ),
    _Failure(
        "invalid",
        "The request to {} could not be created.",
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
            UnicodeError,
        ),
    ),
)
"""The first match counts."""
_NOT_FOUND_IN_DNS = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA")
    if hasattr(socket, name)
}
"""The resolver says that there is no such name. With other errors it says nothing."""


def _failure(error: BaseException) -> _Failure:
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, socket.gaierror) and cause.errno in _NOT_FOUND_IN_DNS:
            return _NO_SUCH_HOST
    for failure in _FAILURES:
        if any(isinstance(cause, failure.kinds) for cause in causes):
            return failure
    return _RESET


def _causes(error: BaseException) -> list[BaseException]:
    """The error with everything it was raised from or wraps."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        current = pending.pop()
        if not isinstance(current, BaseException) or current in found:
            continue
        found.append(current)
        pending += [
            current.__cause__,
            current.__context__,
            getattr(current, "reason", None),
            *current.args,
        ]
    return found
