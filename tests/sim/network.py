"""The network between a driver and the account. A request that has left arrives even if
its sender has died since."""

import json
from collections import Counter
from collections.abc import Callable

from greenlet import getcurrent

from jobsui.zendesk.errors import NotSent, Unconfirmed
from jobsui.zendesk.transport import Received, Request
from tests.sim.account import Account, kind_of
from tests.sim.hub import Process
from tests.sim.plan import Plan

RESET = "The connection broke before the response was complete."
TIMEOUT = "The host did not respond in time."


class Network:
    def __init__(
        self, plan: Plan, account: Account, tell: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self.account = account
        self._tell = tell
        self._passages = Counter[str]()
        self.in_transit: list[tuple[str, ...]] = []
        """The rows of posts that have left and not arrived yet."""

    def next_fault(self, kind: str, now: float) -> tuple[int, str, float]:
        """(number of this request of its kind, what happens to it, with what)."""
        self._passages[kind] += 1
        number = self._passages[kind]
        what, argument = self._plan.faults.get(f"{kind}:{number}", ("", 0.0))
        if now > self._plan.faults_end:
            what = ""
        return number, what, argument


class SimTransport:
    """What a driver's client has in place of sockets."""

    def __init__(
        self,
        process: Process,
        network: Network,
        plan: Plan,
        tell: Callable[[str], None],
        leaves: Callable[[Request], None],
    ) -> None:
        self._process = process
        self._network = network
        self._latency = plan.weather.latency
        self._tell = tell
        self._leaves = leaves
        """Called when a request leaves, for the judge."""

    def exchange(self, request: Request, *, deadline: float) -> Received:
        hub = self._process.hub
        kind = kind_of(request)
        number, what, argument = self._network.next_fault(kind, hub.now)
        name = f"{kind} {number}"
        if what == "not_sent":
            self._tell(f"{name} is not sent")
            raise NotSent("The host refused the connection.", code="refused")
        self._leaves(request)
        if what:
            self._tell(f"{name}: {what}")
        return _Exchange(self, request, deadline, what, argument).run()


class _Exchange:
    """One request and its response."""

    def __init__(
        self,
        transport: SimTransport,
        request: Request,
        deadline: float,
        what: str,
        argument: float,
    ) -> None:
        self._process = transport._process
        self._network = transport._network
        self._latency = transport._latency
        self._request = request
        self._deadline = deadline
        self._what = what
        self._argument = argument
        self._response: Received | None = None
        self._error: str = ""
        self._is_over = False

    def run(self) -> Received:
        waiting = getcurrent()

        def end() -> None:
            if not self._is_over:
                self._is_over = True
                self._process.wake(waiting)

        hub = self._process.hub
        hub.after(self._deadline, end)
        if self._what == "lost_before":
            hub.after(self._latency + 5 * self._argument, self._broken(end))
        else:
            travel = self._argument if self._what == "late" else self._latency
            self._depart()
            hub.after(travel, lambda: self._arrive(end))
        hub.park()
        if self._response is not None:
            return self._response
        if self._error:
            raise Unconfirmed(self._error, code="reset")
        raise Unconfirmed(TIMEOUT, code="timeout")

    def _depart(self) -> None:
        self._network.in_transit.append(self._tags())

    def _tags(self) -> tuple[str, ...]:
        if kind_of(self._request) != "post":
            return ()
        items = json.loads(self._request.body or b"{}")["job"]["items"]
        return tuple(map(self._network.account.tag, items))

    def _arrive(self, end: Callable[[], None]) -> None:
        self._network.in_transit.remove(self._tags())
        hub = self._process.hub
        match self._what:
            case "500":
                response = Received(500, {}, b'{"error": "Internal error"}')
            case "403":
                response = Received(403, {}, b'{"error": "Forbidden"}')
            case "429":
                wait = str(int(self._argument))
                body = b'{"error": "TooManyRequests"}'
                response = Received(429, {"Retry-After": wait}, body)
            case "500_after":
                self._network.account.handle(self._request)
                response = Received(502, {}, b"<html>Bad gateway</html>")
            case "omit":
                response = Received(200, {}, b'{"job_statuses": []}')
            case _:
                response = self._network.account.handle(self._request)
        if self._what == "lost_after":
            hub.after(self._latency + 5 * self._argument, self._broken(end))
            return

        def deliver() -> None:
            if not self._is_over:
                self._response = response
            end()

        hub.after(self._latency, deliver)

    def _broken(self, end: Callable[[], None]) -> Callable[[], None]:
        def act() -> None:
            if not self._is_over:
                self._error = RESET
            end()

        return act
