"""Settings of the sandbox, given at the start and changed while it runs."""

from dataclasses import asdict, dataclass, field, fields

from jobsui.sandbox.protocol import Json, JsonObject


class BadSetting(Exception):
    """A setting that does not exist or does not take the value, with the reason."""


@dataclass(slots=True)
class Settings:
    job_seconds: float = 3.0
    """How long a job takes from the request to its end."""
    job_spread: float = 0.0
    """Sigma of a log-normal spread around it; 0: all take the same time."""
    max_running_jobs: int = 30
    other_jobs: int = 0
    """Job slots that other integrations use."""
    requests_per_minute: int = 700
    exports_per_minute: int = 10
    max_records: int = 50_000_000
    """Of all custom objects together. Only reported, not enforced."""
    window_seconds: float = 60.0
    """How long the "minute" of the rate limits is."""
    latency_ms: float = 0.0
    slow_seconds: float = 10.0
    """How long the fault "slow" delays a response, and how much longer a job of the
    fault "slow-job" takes."""
    fresh_seconds: float = 2.0
    """How long the fault "fresh-404" hides a new job status."""
    retry_after: int = 1
    """The Retry-After of the faults that send one."""
    status_seconds: float = 86_400.0
    """How long a job status can be read after the job's creation."""
    token_seconds: float = 0.0
    """Life of the access tokens it gives out; 0: what the request asks for, else
    1,800."""
    trigger_values: JsonObject = field(default_factory=dict)
    """Values by field key that object triggers set in records that jobs write. They run
    under the assumption trigger=fires."""
    role: str = "admin"
    """Role of everyone who signs in: "admin", "agent" or "end-user"."""
    api_tokens: bool = True
    """Off: API tokens are refused, as they will be for everyone after 30 April 2027."""
    custom_objects: bool = True
    """Off: every call about custom objects is answered as on an account without
    them."""
    next_on_last_page: bool = False
    """`links.next` is set on the last page too."""

    def change(self, changes: JsonObject) -> None:
        """Change all of them. Raises BadSetting and then changes none."""
        known = {each.name: each.type for each in fields(self)}
        for name, value in changes.items():
            if name not in known:
                names = ", ".join(known)
                raise BadSetting(f"There is no setting {name}. Choose one of: {names}.")
            self._check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)

    def _check(self, name: str, value: Json) -> None:
        current = getattr(self, name)
        if is_number(current):
            fits = is_number(value) and value >= 0
        else:
            fits = type(value) is type(current)
        if not fits:
            raise BadSetting(f"{name} can't be {value!r}.")

    def shown(self) -> JsonObject:
        return asdict(self)


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
