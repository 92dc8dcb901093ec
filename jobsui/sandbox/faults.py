"""Faults on demand. Each triggers at its own rate, drawn from a seeded source, so that a
run can be repeated."""

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from random import Random

from jobsui.sandbox.protocol import Json, JsonObject

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
    "refused-reads",
    "refused-statuses",
    "refused-exports",
    "slow",
    "no-answer",
}
JOB_FAULTS = {
    "fresh-404",
    "killed",
    "aborted",
    "failed-partial",
    "results-object",
    "no-id",
    "no-index",
    "wrong-index",
    "shuffled",
    "short-results",
    "generic-results",
    "status-expired",
    "slow-job",
}
ITEM_FAULTS = {"deadlocked-items", "altered-values", "dropped-values"}
NAMES = REQUEST_FAULTS | JOB_FAULTS | ITEM_FAULTS


class BadFault(Exception):
    """A fault that cannot be set, with the reason."""


@dataclass(slots=True)
class Fault:
    rate: float
    times: int | None = None
    """How often it may still trigger; None: without limit."""
    method: str = ""
    """Only requests of this method; "": all."""
    path: str = ""
    """Only requests whose path contains this."""
    keys: list[str] = dataclass_field(default_factory=list)
    """Only items with one of these external ids, record ids or names; []: all."""
    field: str = ""
    """The key of the field that an item loses or gets another value in; "": any."""

    def concerns(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and self.path in path


class Faults:
    def __init__(self, seed: int | None) -> None:
        self.random = Random(seed)  # noqa: S311 - chance, not secrecy
        self.set: dict[str, Fault] = {}
        self.triggered: dict[str, int] = {}
        """How often each fault triggered."""

    def change(self, changes: JsonObject) -> None:
        """Set rates by name, or {"rate", "times", "method", "path"}.

        Raises BadFault and then changes nothing.
        """
        self.set |= {name: parse_fault(name, value) for name, value in changes.items()}

    def clear(self) -> None:
        self.set.clear()

    def triggers(self, name: str, method: str = "", path: str = "") -> bool:
        """Whether a fault triggers this time. Only a fault that is set draws a random
        number."""
        fault = self.set.get(name)
        if fault is None or fault.times == 0:
            return False
        if not fault.concerns(method, path):
            return False
        if self.random.random() >= fault.rate:
            return False
        if fault.times is not None:
            fault.times -= 1
        self.triggered[name] = self.triggered.get(name, 0) + 1
        return True


def parse_fault(name: str, value: Json) -> Fault:
    if name not in NAMES:
        known = ", ".join(sorted(NAMES))
        raise BadFault(f"There is no fault {name}. Choose one of: {known}.")
    details = value if isinstance(value, dict) else {"rate": value}
    try:
        fault = Fault(**details)
    except TypeError:
        raise BadFault(
            f"{name} takes rate, times, method, path, keys and field."
        ) from None
    if not is_rate(fault.rate):
        raise BadFault(f"The rate of {name} must be a number from 0 to 1.")
    return fault


def is_rate(value: Json) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= 1
