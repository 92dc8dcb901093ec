"""Faults on demand: each strikes with its own rate, drawn from a seeded source so that
a run can be repeated."""

from dataclasses import dataclass
from random import Random

from jobsui.sandbox.protocol import Json

REQUEST_FAULTS = {
    "drop-before-accept",
    "drop-after-accept",
    "502-after-accept",
    "rate-429",
    "too-many-jobs",
    "500",
    "503",
    "503-retry-after",
    "409",
    "html-502",
    "html-200",
    "partial-list",
    "bearer-expired",
    "missing-scope",
    "slow",
    "no-answer",
}
JOB_FAULTS = {
    "fresh-404",
    "killed",
    "failed-partial",
    "results-object",
    "no-id",
    "no-index",
    "shuffled",
    "short-results",
    "generic-results",
    "status-expired",
    "slow-job",
}
NAMES = REQUEST_FAULTS | JOB_FAULTS


class BadFault(Exception):
    """Says what is wrong with a fault someone asked for."""


@dataclass(slots=True)
class Fault:
    rate: float
    times: int | None = None
    """How often it may still strike; None: no end."""
    method: str = ""
    """Only requests of this method; "": all."""
    path: str = ""
    """Only requests whose path contains this."""

    def concerns(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and self.path in path


class Faults:
    def __init__(self, seed: int | None) -> None:
        self.random = Random(seed)  # noqa: S311 - chance, not secrecy
        self.set: dict[str, Fault] = {}
        self.struck: dict[str, int] = {}
        """How often each fault struck."""

    def change(self, changes: dict[str, Json]) -> None:
        """Rates by name, or {"rate", "times", "method", "path"}; raises BadFault and
        changes nothing on a mistake."""
        wanted = {name: fault_of(name, value) for name, value in changes.items()}
        self.set |= wanted

    def clear(self) -> None:
        self.set.clear()

    def strikes(self, name: str, method: str = "", path: str = "") -> bool:
        """Whether a fault strikes this time. A fault that is not set draws no
        chance."""
        fault = self.set.get(name)
        if (
            fault is None
            or fault.times == 0
            or not fault.concerns(method, path)
            or self.random.random() >= fault.rate
        ):
            return False
        if fault.times is not None:
            fault.times -= 1
        self.struck[name] = self.struck.get(name, 0) + 1
        return True


def fault_of(name: str, value: Json) -> Fault:
    if name not in NAMES:
        raise BadFault(
            f"There is no fault {name}. There are: {', '.join(sorted(NAMES))}."
        )
    details = value if isinstance(value, dict) else {"rate": value}
    try:
        fault = Fault(**details)
    except TypeError:
        raise BadFault(f"{name} takes rate, times, method and path.") from None
    if (
        isinstance(fault.rate, bool)
        or not isinstance(fault.rate, int | float)
        or not 0 <= fault.rate <= 1
    ):
        raise BadFault(f"The rate of {name} must be a number from 0 to 1.")
    return fault
