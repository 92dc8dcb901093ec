"""A plan: everything that a history needs. Running a plan draws nothing (chance.py does),
so leaving out one event leaves the others as they were."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FIRST_ROW = 2
BAD = "bad"
"""The value of a row that makes the account refuse its whole request."""


@dataclass(frozen=True)
class JobPlan:
    launch_at: float
    action: str
    rows: tuple[tuple[str, str], ...]
    """(key, value) of each row. Keys that other jobs or programs use too have the same
    record."""
    batch_size: int
    has_ids: bool = True
    account: int = 0
    keep_undo: bool = False
    """Records are read right before each batch, and what they hold is kept."""
    refuses_changes: bool = False
    """Its rows were compared before, and are not sent if their records have changed since.
    Without columns: they were compared at the launch, and are updates."""
    watches: bool = False
    """As `refuses_changes`, but only the records of batches of which the export shows a
    change are read."""
    columns: tuple[str, ...] = ()
    """The fields of its CSV file, besides key and name; then the value of a row has one part
    for each: "123/red". (): its items have a field that names the row."""
    compares: bool = False
    """Its rows are compared with the account before the launch."""
    matches: bool = False
    """The comparison also finds what only the account has, and the job deletes it."""
    left_out: tuple[int, ...] = ()
    """The rows that a person leaves out of the comparison, by their numbers."""

    @property
    def numbers(self) -> list[int]:
        """Of the rows of its file. The first row has the names of the columns."""
        return list(range(FIRST_ROW, FIRST_ROW + len(self.rows)))

    def key(self, number: int) -> str:
        return self.rows[number - FIRST_ROW][0]

    def values(self, number: int) -> dict[str, str]:
        """{field: value} of a row of its file."""
        _, value = self.rows[number - FIRST_ROW]
        return dict(zip(self.columns, value.split("/"), strict=True))


@dataclass(frozen=True)
class Weather:
    lag_by_id: float = 0.0
    """Seconds until a record that was written can be listed by its ids."""
    lag_by_search: float = 0.0
    lag_of_statuses: float = 0.0
    """Seconds until a new job is in the list of job statuses."""
    job_seconds: float = 4.0
    slots: int = 30
    requests_per_minute: int = 700
    latency: float = 0.05
    reads_refused_from: float | None = None
    """From then on records cannot be read (403)."""
    polls_refused_from: float | None = None
    """From then on job statuses cannot be read (403)."""
    stays_refused: bool = False
    """Even after the faults have ended."""
    database_ahead: float = 0.0
    """By how much the database's clock jumps, at `database_jumps_at`."""
    database_jumps_at: float | None = None
    host_ahead: float = 0.0
    """By how much the clock of the hosts jumps, at `host_jumps_at`."""
    host_jumps_at: float | None = None
    statuses_expire_after: float | None = None
    """Seconds from the end of a job until its status is gone."""
    unreachable: int = 0
    """The number of accounts that never respond: the first ones."""
    max_running_jobs: int = 30
    """The setting of the connection."""


@dataclass(frozen=True)
class Plan:
    seed: int
    profile: str
    jobs: tuple[JobPlan, ...]
    weather: Weather
    faults: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """{"post:3": ("late", 40.0)}: what happens at an edge's passage of this number."""
    events: tuple[tuple[float, str, str], ...] = ()
    """(time, what, which): persons ("pause", "0"), other programs ("write", "k3"),
    processes ("kill", ""), ("freeze", "20"), ("stop", ""). Persons and programs act on
    the account of their job, or the first account. "undo" and "prove" wait until it is
    possible."""
    faults_end: float = 120.0
    has_files: bool = False
    """The jobs come as files, which are checked and planned. Otherwise their batches are
    there at once."""
    max_accounts: int = 32
    """How many accounts a worker drives at a time."""
    workers: int = 1
    """How many workers drive accounts."""
    answers: tuple[str, ...] = ("check_again", "accept")
    """What persons decide about the uncertain rows of a job after the faults have ended, one
    after the other; the last one again and again."""
    timing: Mapping[str, float] = field(default_factory=dict)
    """What differs from the product's Timing."""

    @property
    def is_live(self) -> bool:
        """Whether its jobs are compared with live records, proved or undone."""
        return any(job.columns for job in self.jobs)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        data: dict[str, Any] = json.loads(text)
        data["jobs"] = tuple(map(_job, data["jobs"]))
        data["weather"] = Weather(**data["weather"])
        data["faults"] = {name: tuple(fault) for name, fault in data["faults"].items()}
        data["events"] = tuple(map(tuple, data["events"]))
        data["answers"] = tuple(data.get("answers", cls.answers))
        return cls(**data)


def _job(data: dict[str, Any]) -> JobPlan:
    lists = {name: tuple(data.get(name, ())) for name in ("columns", "left_out")}
    return JobPlan(**{**data, **lists, "rows": tuple(map(tuple, data["rows"]))})
