"""Sends the requests of a verification: one at a time, each in its turn beside the jobs
and reads of the account, and after any wait that Zendesk asks for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.connections import credentials, hosts, proxy_reads
from jobsui.connections.models import Connection
from jobsui.verification.questions import CannotAsk
from jobsui.verification.wording import response_error
from jobsui.zendesk.client import Client, raise_for, read_error, retry_after
from jobsui.zendesk.errors import Unconfirmed
from jobsui.zendesk.payloads import Json, Response
from jobsui.zendesk.transport import Transport

MAX_SILENT = 3
"""After this many requests in a row without a response no more are sent."""
MAX_TRIES = 5
"""Requests that were limited are tried this often."""
REUSE_SECONDS = 5.0
"""The stored credentials are read again after this time."""
DEFAULT_RETRY_AFTER = 30.0
"""Seconds, after a 429 or 503 without Retry-After."""


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds."""

    poll_interval: float = 1.0
    max_job: float = 120.0
    """A job that takes longer is not waited for."""
    max_lag: float = 60.0
    """Records that cannot be read for longer count as invisible."""


class Account:
    """The account of a connection, as a verification asks it."""

    def __init__(
        self,
        connection: Connection,
        *,
        timing: Timing | None = None,
        clock: Clock = SYSTEM_CLOCK,
        transport: Transport | None = None,
    ) -> None:
        """Raises HostRefused. `transport` None: HTTP over sockets."""
        hosts.require_allowed(connection.host)
        self.connection = connection
        self.timing = timing or Timing()
        self.clock = clock
        self._client = credentials.SignedClient(
            connection,
            reuse_seconds=REUSE_SECONDS,
            clock=clock,
            transport=transport,
        )
        self._silent = 0
        self._anonymous = Client(
            hosts.address(connection.host), None, clock=clock, transport=transport
        )

    def ask(self, path: str, params: Mapping[str, str] | None = None) -> Response:
        """The response to a read, whatever its status. Raises CannotAsk when there is
        none, and ZendeskError when no question can be asked."""
        return self._exchange(lambda: self._signed("GET", path, params=params))

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Response:
        """`ask`, which also raises CannotAsk for what the credentials do not permit."""
        return permitted(self.ask(path, params))

    def ask_anonymously(self, path: str) -> Response:
        """`ask` without credentials."""
        return self._exchange(lambda: self._anonymous.request("GET", path))

    def send(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The response to a request that may change something. `body`: JSON, or bytes
        that are sent as they are. Raises like `ask`; then Zendesk may have acted on
        the request."""
        content = body
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
        return self._exchange(
            lambda: self._signed(
                method, path, params=params, body=content, headers=headers
            ),
            is_read=False,
        )

    def _signed(self, method: str, path: str, **request: Any) -> Response:
        def call() -> Response:
            response = self._client.request(method, path, **request)
            if response.status == 401:
                raise_for(response, what=f"{method} {path}")
            return response

        return self._client.renewing(call)

    def _exchange(
        self, call: Callable[[], Response], *, is_read: bool = True
    ) -> Response:
        deadline = self.clock.monotonic() + self.timing.max_job
        limited_count = 0
        while limited_count < MAX_TRIES:
            response = self._response(call)
            if has_no_free_slot(response):
                if self.clock.monotonic() > deadline:
                    raise CannotAsk("all job slots of the account stayed in use")
                wait = retry_after(response) or self.timing.poll_interval
                self.clock.sleep(wait)
                continue
            is_unavailable = response.status == 503 and is_read
            if response.status != 429 and not is_unavailable:
                return response
            limited_count += 1
            seconds = retry_after(response)
            wait = DEFAULT_RETRY_AFTER if seconds is None else seconds
            proxy_reads.postpone(self.connection, wait, beside_driver=True)
        raise CannotAsk(f"Zendesk limited the request {MAX_TRIES} times")

    def _response(self, call: Callable[[], Response]) -> Response:
        self._wait_for_turn()
        try:
            response = call()
        except Unconfirmed as error:
            self._silent += 1
            if self._silent >= MAX_SILENT:
                raise
            raise CannotAsk(f"Zendesk did not respond ({error.code})") from None
        self._silent = 0
        return response

    def _wait_for_turn(self) -> None:
        while True:
            try:
                proxy_reads.wait_for_turn(self.connection, beside_driver=True)
                return
            except proxy_reads.Busy as busy:
                self.clock.sleep(busy.retry_after)


def has_no_free_slot(response: Response) -> bool:
    """Whether a job was refused because too many others run."""
    code, _, _ = read_error(response)
    return response.status >= 400 and code == "TooManyJobs"


def permitted(response: Response) -> Response:
    """Raises CannotAsk when the credentials do not permit the request."""
    if response.status == 403:
        raise CannotAsk(f"Zendesk refused: {response_error(response)}")
    return response


def required(response: Response, status: int = 200) -> dict[str, Json]:
    """The body of a response with this status. Raises CannotAsk for another one."""
    if response.status != status:
        raise CannotAsk(f"Zendesk refused: {response_error(response)}")
    data = body_of(response)
    if not isinstance(data, dict):
        raise CannotAsk("the response is not a JSON object")
    return data


def body_of(response: Response) -> Json:
    """None when it is not JSON."""
    try:
        return response.json()
    except ValueError:
        return None


def listed_in(data: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    """The objects in a list of a body. Raises CannotAsk when it has no such list."""
    entries = data.get(name)
    if not isinstance(entries, list):
        raise CannotAsk(f"the response has no list {name}")
    return [entry for entry in entries if isinstance(entry, dict)]
