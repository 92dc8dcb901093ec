"""A plan: everything that a history needs, drawn from a seed before it runs. Running a
plan draws nothing, so leaving out one event leaves the others as they were."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any

ACTIONS = (
    "create",
    "create",
    "create_or_update_by_external_id",
    "create_or_update_by_external_id",
    "update",
    "delete_by_external_id",
)
FAULTS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "post": (
        ("lost_before", 14),
        ("lost_after", 14),
        ("late", 14),
        ("not_sent", 14),
        ("500", 14),
        ("500_after", 14),
        ("429", 14),
    ),
    "poll": (("500", 24), ("429", 24), ("lost_after", 24), ("omit", 24), ("403", 24)),
    "list": (("500", 8), ("lost_after", 8)),
    "read": (("500", 8), ("lost_after", 8), ("429", 8), ("403", 8)),
    "job": (
        ("no_index", 10),
        ("shuffled_without_index", 10),
        ("short", 10),
        ("wrong_index", 10),
        ("ids_only", 10),
        ("unknown_word", 10),
        ("failed_after_applying", 10),
        ("aborted", 10),
        ("deadlock", 10),
        ("vanishes", 10),
        ("crawls", 10),
    ),
    "begin": (("freeze", 60), ("kill", 60)),
    "commit": (("away", 60), ("unknown", 60), ("kill_before", 60), ("kill_after", 60)),
}
"""{edge: (what may happen there, at which of its first passages)}."""
PERSONS = ("pause", "resume", "cancel")
OTHERS = ("write", "create")


@dataclass(frozen=True)
class JobPlan:
    launch_at: float
    action: str
    rows: tuple[tuple[str, str], ...]
    """(key, value) of each row. Keys that other jobs or programs use too have the same
    record."""
    batch_size: int
    has_ids: bool = True


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
    processes ("kill", ""), ("freeze", "20")."""
    faults_end: float = 120.0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        data: dict[str, Any] = json.loads(text)
        data["jobs"] = tuple(
            JobPlan(**{**job, "rows": tuple(map(tuple, job["rows"]))})
            for job in data["jobs"]
        )
        data["weather"] = Weather(**data["weather"])
        data["faults"] = {name: tuple(fault) for name, fault in data["faults"].items()}
        data["events"] = tuple(map(tuple, data["events"]))
        return cls(**data)


def plan_of(seed: int) -> Plan:
    """The plan of a seed: two thirds swarms, a tenth of all faults at once, the others
    aimed at one kind of fault."""
    random = Random(f"plan:{seed}")
    drawn = random.random()
    if drawn < 0.25:
        name = random.choice(sorted(PROFILES))
        return PROFILES[name](seed, random)
    share = 1.0 if drawn < 0.35 else 0.35
    return _swarm(seed, random, share, "all" if share == 1.0 else "swarm")


def _swarm(seed: int, random: Random, share: float, name: str) -> Plan:
    """Each kind of fault takes part with the probability `share`."""
    density = random.choice((0.05, 0.15, 0.4))
    faults: dict[str, tuple[str, float]] = {}
    for edge, kinds in FAULTS.items():
        for what, most in kinds:
            if random.random() >= share:
                continue
            for number in range(1, most + 1):
                if random.random() < density / len(kinds):
                    faults[f"{edge}:{number}"] = (what, _argument(what, random))
    events = []
    for what in ("kill", "freeze", *PERSONS, *OTHERS):
        if random.random() >= share:
            continue
        for _ in range(random.randint(1, 3)):
            time = round(random.uniform(1, 90), 2)
            events.append((time, what, _target(what, random)))
    return Plan(
        seed,
        name,
        _jobs(random, random.randint(1, 3)),
        _weather(random, share),
        faults,
        tuple(sorted(events)),
    )


def _argument(what: str, random: Random) -> float:
    match what:
        case "late":
            # A request may arrive a little after its sender has given up.
            return random.choice((5.0, 33.0, 43.0))
        case "429":
            return random.choice((1.0, 20.0))
        case "freeze":
            return random.choice((5.0, 20.0, 40.0, 90.0))
        case "crawls":
            return random.choice((20.0, 60.0))
        case _:
            return round(random.random(), 3)


def _target(what: str, random: Random) -> str:
    if what in PERSONS:
        return str(random.randint(0, 2))
    if what in OTHERS:
        return f"k{random.randint(0, 15)}"
    return str(random.choice((5, 20, 40, 90))) if what == "freeze" else ""


def _job(random: Random, action: str = "", *, has_ids: bool | None = None) -> JobPlan:
    action = action or random.choice(ACTIONS)
    numbers = random.sample(range(20), random.randint(3, 16))
    if has_ids is None:
        has_ids = random.random() < 0.85
    return JobPlan(
        launch_at=round(random.choice((1.0, 1.0, random.uniform(1, 40))), 2),
        action=action,
        rows=tuple((f"k{n}", str(random.randint(100, 999))) for n in numbers),
        batch_size=random.randint(2, 4),
        has_ids=has_ids or action != "create",
    )


def _jobs(random: Random, number: int) -> tuple[JobPlan, ...]:
    """At most one of them deletes: a deleted key does not say which job sent it."""
    jobs = [_job(random) for _ in range(number)]
    deleting = [job for job in jobs if job.action == "delete_by_external_id"]
    return tuple(
        replace(job, action="update") if job in deleting[1:] else job for job in jobs
    )


def _weather(random: Random, share: float) -> Weather:
    def is_on() -> bool:
        return random.random() < share

    lag = random.choice((5.0, 15.0, 40.0)) if is_on() else 0.0
    refused = round(random.uniform(2, 60), 2) if random.random() < share / 3 else None
    jump = random.choice((-3600.0, -40.0, 40.0, 3600.0)) if is_on() else 0.0
    return Weather(
        lag_by_id=lag,
        lag_by_search=2 * lag + (5.0 if is_on() else 0.0),
        lag_of_statuses=random.choice((1.0, 10.0)) if is_on() else 0.0,
        job_seconds=random.choice((1.0, 4.0, 10.0)),
        slots=random.choice((2, 5, 30)) if is_on() else 30,
        reads_refused_from=refused,
        stays_refused=refused is not None and random.random() < 0.5,
        database_ahead=jump,
        database_jumps_at=round(random.uniform(2, 60), 2) if jump else None,
    )


def _posts(random: Random, *kinds: str, density: float) -> dict[str, tuple[str, float]]:
    faults = {}
    for number in range(1, 15):
        if random.random() < density:
            what = random.choice(kinds)
            faults[f"post:{number}"] = (what, _argument(what, random))
    return faults


def _lagging_create(seed: int, random: Random) -> Plan:
    """Kind 2: a record that reads do not show yet is taken for not created."""
    lag = random.choice((15.0, 40.0))
    weather = Weather(lag_by_id=lag, lag_by_search=2 * lag)
    job = _job(random, "create", has_ids=True)
    faults = _posts(random, "lost_after", "500_after", density=0.4)
    return Plan(seed, "lagging create", (job,), weather, faults)


def _foreign_record(seed: int, random: Random) -> Plan:
    """Kind 1: another program creates a record with the same external id."""
    job = _job(random, "create", has_ids=True)
    faults = _posts(random, "lost_before", "lost_after", density=0.4)
    keys = [key for key, _ in job.rows]
    events = [
        (round(random.uniform(1, 12), 2), "create", key)
        for key in random.sample(keys, 2)
    ]
    return Plan(
        seed, "foreign record", (job,), Weather(), faults, tuple(sorted(events))
    )


def _odd_results(seed: int, random: Random) -> Plan:
    """Kind 3: results that name their rows badly."""
    jobs = (_job(random), _job(random, "update"))
    odd = ("no_index", "shuffled_without_index", "wrong_index", "ids_only", "short")
    faults = {
        f"job:{number}": (random.choice(odd), round(random.random(), 3))
        for number in range(1, 10)
        if random.random() < 0.5
    }
    return Plan(seed, "odd results", jobs, Weather(), faults)


def _two_writers(seed: int, random: Random) -> Plan:
    """Kind 4: two jobs change the same records."""
    first = _job(random, "create_or_update_by_external_id")
    later = replace(
        first,
        launch_at=first.launch_at + random.choice((1.0, 3.0, 10.0)),
        rows=tuple((key, str(int(value) + 1000)) for key, value in first.rows),
    )
    return Plan(seed, "two writers", (first, later), Weather())


def _passing_failures(seed: int, random: Random) -> Plan:
    """Kinds 6 and 7: lost answers, and items that fail for a passing reason."""
    job = _job(random, "create_or_update_by_external_id")
    faults = _posts(random, "lost_after", "500_after", density=0.4)
    for number in range(1, 10):
        if random.random() < 0.4:
            faults[f"job:{number}"] = ("deadlock", round(random.random(), 3))
    return Plan(seed, "passing failures", (job,), Weather(), faults)


def _edited_between(seed: int, random: Random) -> Plan:
    """Kind 5: a person edits a record between a request and its repeat."""
    job = _job(random, "create_or_update_by_external_id")
    faults = _posts(random, "lost_after", density=0.5)
    events = [
        (round(random.uniform(4, 25), 2), "write", key)
        for key, _ in random.sample(job.rows, 3)
    ]
    return Plan(
        seed, "edited between", (job,), Weather(), faults, tuple(sorted(events))
    )


def _refused_reads(seed: int, random: Random) -> Plan:
    """Kind 9: unconfirmed batches that cannot be read, beside a healthy job."""
    jobs = (_job(random, "create", has_ids=True), _job(random))
    faults = _posts(random, "lost_after", "lost_before", density=0.4)
    weather = Weather(
        reads_refused_from=2.0,
        polls_refused_from=random.choice((None, 4.0)),
        stays_refused=random.random() < 0.5,
    )
    events = ((30.0, random.choice(PERSONS), "0"),)
    return Plan(seed, "refused reads", jobs, weather, faults, events)


PROFILES = {
    "edited between": _edited_between,
    "foreign record": _foreign_record,
    "lagging create": _lagging_create,
    "odd results": _odd_results,
    "passing failures": _passing_failures,
    "refused reads": _refused_reads,
    "two writers": _two_writers,
}
