"""HTTP to one Zendesk account. One request, one answer: no retry hides here, because
only the caller knows whether sending again is harmless."""

import json as jsonlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
    Limited,
    NotFound,
    NotSent,
    NotSignedIn,
    Refused,
    TooManyJobs,
    Unsure,
)
from jobsui.zendesk.payloads import Answer, Json
from jobsui.zendesk.transport import Adapter, exchange

STANDING_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": "Jobs UI",
}
CHUNK = 64 * 1024
MOST_SAID = 200
"""Characters of an answer that go into an error."""
LONGEST_WAIT = 3600.0
"""Seconds. A Retry-After beyond that is not believed: one odd header must not stop an
account for days."""
IDLE_SECONDS = 3.0
"""A kept connection that lay idle longer is not used for a write: the server may have
closed it meanwhile, and the reset would leave us in doubt about a request that was
never read."""


class Client:
    """Calls to one account.

    `authorization` gives the Authorization header's value for each request (it may
    renew a token first); None sends none. Threads may share a client: each has a
    connection of its own."""

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
        """By how many seconds our clock is ahead of the account's, as its last answer
        told."""
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
    ) -> Answer:
        """Send once and read the whole answer, whatever its status, within `deadline`
        seconds (by default the client's request_timeout).

        Raises NotSent when the request certainly did not go out, Unsure when it may
        have."""
        sent = STANDING_HEADERS | dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if self._authorization is not None:
            with sending_nothing():
                sent["Authorization"] = self._authorization()
        begun = self._clock.monotonic()
        deadline = self._request_timeout if deadline is None else deadline
        try:
            status, answered, content = self._exchange(
                method, path, params, body, sent, deadline
            )
        except (requests.RequestException, UnicodeError) as error:
            self._drop_adapter()
            raise _translated(error, self.base_url, sent=exchange.begun) from None
        self._local.used = self._clock.monotonic()
        self.clock_ahead = _clock_ahead(answered, self._clock.now())
        return Answer(status, answered, content, self._local.used - begun)

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
        """`request`, with the answer's JSON decoded (None for an empty body).

        Raises NotSent, Unsure, Limited (TooManyJobs), Refused (NotSignedIn, Forbidden,
        NotFound)."""
        if json is not None:
            body = jsonlib.dumps(json, ensure_ascii=False).encode()
        answer = self.request(method, path, params=params, body=body, deadline=deadline)
        return decoded(answer, what=f"{method} {path}")

    def _exchange(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> tuple[int, Mapping[str, str], bytes]:
        # Before all that can fail: else the thread's last request would tell whether
        # any of this one left.
        exchange.begin(deadline)
        # By an adapter, not a requests.Session: proxies and .netrc of the environment
        # must not decide whom a secret goes to, no cookie of one answer belongs to the
        # next request, and it costs less.
        request = requests.Request(
            method, self.base_url + path, headers, data=body, params=params
        ).prepare()
        adapter = self._adapter(fresh=method != "GET")
        timeout = (
            min(self._connect_timeout, deadline),
            min(self._read_timeout, deadline),
        )
        with adapter.send(request, stream=True, timeout=timeout) as response:
            return response.status_code, response.headers, self._content(response)

    def _adapter(self, *, fresh: bool) -> Adapter:
        idle = self._clock.monotonic() - getattr(self._local, "used", 0.0)
        if fresh and idle > IDLE_SECONDS:
            self._drop_adapter()
        adapter: Adapter | None = getattr(self._local, "adapter", None)
        if adapter is None:
            adapter = self._local.adapter = Adapter()
        return adapter

    def _drop_adapter(self) -> None:
        if adapter := getattr(self._local, "adapter", None):
            adapter.close()
            self._local.adapter = None

    def _content(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_content(CHUNK):
            size += len(part)
            if size > self._max_body_bytes:
                raise requests.exceptions.ContentDecodingError("larger than we read")
            parts.append(part)
        return b"".join(parts)


@contextmanager
def sending_nothing() -> Iterator[None]:
    """Round what comes before a request: whatever is in doubt there, the request itself
    never went out."""
    try:
        yield
    except Unsure as error:
        raise NotSent(
            error.message, status=error.status, code=error.code, details=error.details
        ) from None


def decoded(answer: Answer, *, what: str) -> Json:
    """The JSON of a good answer, None for an empty one. Raises like `raise_for`, and
    Unsure when it is not JSON."""
    raise_for(answer, what=what)
    if not answer.body:
        return None
    try:
        return answer.json()
    except ValueError:
        raise Unsure(
            "Zendesk answered with something that is not JSON. Is the subdomain right?",
            status=answer.status,
            details=_text(answer),
            answer=answer,
        ) from None


def raise_for(answer: Answer, *, what: str) -> None:
    """Raise the error an answer stands for; return when it is a 2xx. `what` names the
    call in the message."""
    status = answer.status
    if 200 <= status < 300:
        return
    code, message, details = read_error(answer)
    request_id = (
        answer.headers.get("X-Zendesk-Request-Id")
        or answer.headers.get("X-Request-Id")
        or ""
    )
    facts: dict[str, Any] = {
        "status": status,
        "code": code,
        "details": details,
        "request_id": request_id,
        "answer": answer,
    }
    if status == 429:
        wait = retry_after(answer)
        kind = TooManyJobs if code == "TooManyJobs" else Limited
        raise kind(
            message or "Zendesk asks us to slow down.", retry_after=wait, **facts
        )
    if status >= 500 or status < 400:
        sentence = f"Zendesk answered {what} with {status}" + (
            f": {message}" if message else "."
        )
        raise Unsure(sentence, **facts)
    kinds: dict[int, type[Refused]] = {401: NotSignedIn, 403: Forbidden, 404: NotFound}
    raise kinds.get(status, Refused)(
        message or f"Zendesk refused {what} with {status}.", **facts
    )


def read_error(answer: Answer) -> tuple[str, str, str]:
    """Zendesk's (code, message, details) out of any of the envelopes it uses; "" for
    what is missing, and never more of the body than people can take in."""
    code, message = _said(answer)
    return code[:80], message[:MOST_SAID], _text(answer)


def _said(answer: Answer) -> tuple[str, str]:
    try:
        data = answer.json()
    except ValueError:
        text = _text(answer)
        return "", "" if text.startswith("<") else text
    if not isinstance(data, dict):
        return "", _text(answer)
    error = data.get("error")
    if isinstance(error, dict):
        return str(error.get("title") or ""), str(
            error.get("message") or error.get("title") or ""
        )
    listed = data.get("errors")
    if isinstance(listed, list) and listed:
        first = listed[0] if isinstance(listed[0], dict) else {"title": listed[0]}
        return str(first.get("code") or ""), str(
            first.get("detail") or first.get("title") or ""
        )
    said = (
        data.get("error_description")
        or data.get("description")
        or data.get("message")
        or error
        or ""
    )
    particulars = _particulars(data.get("details"))
    return str(error or ""), f"{said}: {particulars}" if particulars else str(said)


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait by the answer's Retry-After, given as seconds or as a date; None
    when it has none we can read."""
    value = (answer.headers.get("Retry-After") or "").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isdecimal():
        return min(float(value), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), LONGEST_WAIT)


def _clock_ahead(headers: Mapping[str, str], now: datetime) -> float:
    """0 when they do not say."""
    try:
        told = parsedate_to_datetime(headers.get("Date") or "").timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return now.timestamp() - told


def _particulars(details: Json) -> str:
    """ "name: already exists" of {"name": [{"description": "already exists"}]}."""
    if not isinstance(details, dict):
        return ""
    found = []
    for field, entries in details.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            text = entry.get("description") if isinstance(entry, dict) else entry
            found.append(str(text) if field == "base" else f"{field}: {text}")
    return "; ".join(found)


def _text(answer: Answer) -> str:
    return answer.body[:800].decode("utf-8", "replace").strip()[:MOST_SAID]


def _translated(error: Exception, base_url: str, *, sent: bool) -> NotSent | Unsure:
    """Our error for a transport failure. The text of `error` stays out: it may hold
    what was sent."""
    code, sentence = _failure(error)
    return (Unsure if sent else NotSent)(sentence.format(base_url), code=code)


_FAILURES: tuple[tuple[str, str, tuple[type[BaseException], ...]], ...] = (
    (
        "tls",
        "No safe connection to {}: its certificate could not be verified.",
        (ssl.SSLCertVerificationError,),
    ),
    (
        "tls",
        "The safe connection to {} failed.",
        (ssl.SSLError, requests.exceptions.SSLError),
    ),
    (
        "dns",
        "There is no host of that name: {}.",
        (NameResolutionError, requests.exceptions.InvalidURL),
    ),
    ("refused", "{} refused the connection.", (NewConnectionError,)),
    (
        "connect_timeout",
        "{} did not accept a connection in time.",
        (ConnectTimeoutError,),
    ),
    ("timeout", "{} did not answer in time.", (TimeoutError, ReadTimeoutError)),
    (
        "body",
        "The answer of {} was too large or damaged.",
        (requests.exceptions.ContentDecodingError,),
    ),
    (
        "invalid",
        "The request to {} could not be formed.",
        (requests.exceptions.InvalidHeader, UnicodeError),
    ),
)
"""Code and sentence by what is found among an error's causes; the first that fits."""


def _failure(error: BaseException) -> tuple[str, str]:
    causes = _chain(error)
    for code, sentence, kinds in _FAILURES:
        if any(isinstance(cause, kinds) for cause in causes):
            return code, sentence
    return "reset", "The connection to {} broke before the answer was complete."


def _chain(error: BaseException) -> "list[BaseException]":
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
