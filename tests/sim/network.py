"""The network between a driver and the account. A request that has left arrives even if
its sender has died since."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from greenlet import getcurrent

from jobsui.zendesk.errors import NotSent, Unconfirmed
from jobsui.zendesk.transport import Received, Request
from tests.sim.account import Account, Shown, kind_of
from tests.sim.hub import Process
from tests.sim.plan import Plan
from tests.sim.witness import InTransit, Witness

RESET = "The connection broke before the response was complete."
TIMEOUT = "The host did not respond in time."


class Network:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._passages = Counter[str]()
        self.happened = Counter[str]()
        """How often each planned fault took place, as "edge:fault"."""
        self.refused_tags: set[str] = set()
        """The rows about which a post or a poll was refused."""
        self.shown: list[Shown] = []
        """What processes have learned of records."""

    def next_fault(self, kind: str, now: float) -> tuple[int, str, float]:
        """(number of this request of its kind, what happens to it, with what)."""
        self._passages[kind] += 1
        number = self._passages[kind]
        what, argument = self._plan.faults.get(f"{kind}:{number}", ("", 0.0))
        if now > self._plan.faults_end:
            what = ""
        if what:
            self.happened[f"{kind}:{what}"] += 1
        return number, what, argument

    def note_shown(self, process: Process, shown: list[Shown]) -> None:
        """A response has arrived at a process."""
        at = process.hub.now
        self.shown += [replace(each, at=at, process=process.name) for each in shown]

    def note_refused(
        self, account: Account, request: Request, tags: tuple[str, ...]
    ) -> None:
        for status_id in (request.params or {}).get("ids", "").split(","):
            if status_id in account.jobs:
                tags += account.jobs[status_id].tags
        self.refused_tags.update(tags)


class SimTransport:
    """What a driver's client has in place of sockets."""

    def __init__(
        self,
        process: Process,
        network: Network,
        account: Account,
        plan: Plan,
        tell: Callable[[str], None],
        witness: Witness,
    ) -> None:
        self._process = process
        self._network = network
        self._account = account
        self._latency = plan.weather.latency
        self._tell = tell
        self._witness = witness

    def exchange(self, request: Request, *, deadline: float) -> Received:
        hub = self._process.hub
        kind = kind_of(request)
        number, what, argument = self._network.next_fault(kind, hub.now)
        name = f"{kind} {number}"
        if not self._account.is_reachable:
            raise NotSent("The host cannot be reached.", code="refused")
        if what == "not_sent":
            self._tell(f"{name} is not sent")
            raise NotSent("The host refused the connection.", code="refused")
        tags = self._account.tags_of(request)
        self._witness.leaves(self._process, kind, tags)
        if what:
            self._tell(f"{name}: {what}")
        return _Exchange(self, request, tags, deadline, what, argument).run()


class _Exchange:
    """One request and its response."""

    def __init__(
        self,
        transport: SimTransport,
        request: Request,
        tags: tuple[str, ...],
        deadline: float,
        what: str,
        argument: float,
    ) -> None:
        self._process = transport._process
        self._network = transport._network
        self._account = transport._account
        self._latency = transport._latency
        self._request = request
        self._tags = tags
        self._deadline = deadline
        self._what = what
        self._argument = argument
        self._kind = kind_of(request)
        self._witness = transport._witness
        self._response: Received | None = None
        self._shown: list[Shown] = []
        self._error: str = ""
        self._is_over = False

    def run(self) -> Received:
        waiting = getcurrent()

        def end() -> None:
            if not self._is_over:
                self._is_over = True
                self._process.wake(waiting)

        hub = self._process.hub
        if self._what == "lost_before":
            hub.after(self._latency + 5 * self._argument, self._broken(end))
        else:
            self._depart(end)
        hub.after(self._deadline, end)
        hub.park()
        if self._response is not None:
            return self._response
        if self._error:
            raise Unconfirmed(self._error, code="reset")
        raise Unconfirmed(TIMEOUT, code="timeout")

    def _depart(self, end: Callable[[], None]) -> None:
        moving = InTransit(self._tags, sender=self._process)
        self._witness.in_transit.append(moving)
        if self._what == "frozen":
            # Between the last check of the lease and the first byte.
            self._process.freeze(self._argument)
            self._process.sleep(0.0)
        moving.sender = None

        def arrive() -> None:
            self._witness.in_transit.remove(moving)
            self._arrive(end)

        travel = self._argument if self._what == "late" else self._latency
        self._process.hub.after(travel, arrive)

    def _arrive(self, end: Callable[[], None]) -> None:
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
            case "503":
                wait = str(int(self._argument))
                response = Received(503, {"Retry-After": wait}, b"<html>Busy</html>")
            case "500_after":
                self._account.handle(self._request, self._tags)
                response = Received(502, {}, b"<html>Bad gateway</html>")
            case "omit":
                response = Received(200, {}, b'{"job_statuses": []}')
            case _:
                response = self._account.handle(self._request, self._tags)
                self._shown = self._account.shown
                self._witness.jobs_run()
        if self._what == "lost_after":
            hub.after(self._latency + 5 * self._argument, self._broken(end))
            return

        def deliver() -> None:
            if not self._is_over:
                self._response = response
                self._network.note_shown(self._process, self._shown)
                if response.status in {401, 403, 404}:
                    self._network.note_refused(self._account, self._request, self._tags)
                self._witness.responds(self._process, self._kind, response)
            end()

        hub.after(self._latency, deliver)

    def _broken(self, end: Callable[[], None]) -> Callable[[], None]:
        def act() -> None:
            if not self._is_over:
                self._error = RESET
            end()

        return act
