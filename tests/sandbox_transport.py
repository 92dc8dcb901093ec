"""A sandbox in the process of the test, reached without sockets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from requests.structures import CaseInsensitiveDict

from jobsui.sandbox import protocol
from jobsui.sandbox.account import Account, Options
from jobsui.sandbox.app import App
from jobsui.zendesk.errors import Unconfirmed
from jobsui.zendesk.transport import Received, Request

type Intercept = Callable[[Request], Request | Received]
type Change = Callable[[Request, Received], Received]


def unchanged(request: Request) -> Request:
    return request


def same(_request: Request, received: Received) -> Received:
    return received


@dataclass
class SandboxTransport:
    """Hands requests of the client to a sandbox. `intercept` may replace a request, or
    respond to it instead; `change` may replace the sandbox's response."""

    options: Options = field(default_factory=Options)
    intercept: Intercept = unchanged
    change: Change = same
    requests: list[Request] = field(default_factory=list)
    """In the order in which they were sent."""

    def __post_init__(self) -> None:
        self.account = Account(self.options, lambda _: None)
        self._app = App(self.account)

    def exchange(self, request: Request, *, deadline: float) -> Received:  # noqa: ARG002
        """The sandbox's response, at once."""
        self.requests.append(request)
        intercepted = self.intercept(request)
        if isinstance(intercepted, Received):
            return intercepted
        response = self._app(as_received(intercepted))
        if response.dropped:
            raise Unconfirmed("The connection broke.", code="reset")
        headers = CaseInsensitiveDict(response.headers)
        received = Received(response.status, headers, response.body)
        return self.change(request, received)


def as_received(request: Request) -> protocol.Request:
    """A request of the client as the sandbox's server parses it."""
    parts = urlsplit(request.url)
    target = parts.path
    if request.params:
        target += f"?{urlencode(request.params)}"
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    parsed = protocol.parse_head("\r\n".join(lines).encode("latin-1"))
    parsed.body = request.body or b""
    return parsed
