"""Chance: draws a plan from a seed."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from jobsui.jobs.timing import Timing
from tests.sim.plan import BAD, JobPlan, Plan, Weather

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
        ("503", 14),
        ("frozen", 14),
    ),
    "poll": (
        ("500", 24),
        ("429", 24),
        ("503", 24),
        ("lost_after", 24),
        ("omit", 24),
        ("403", 24),
    ),
    "list": (("500", 8), ("lost_after", 8)),
    "read": (("500", 8), ("lost_after", 8), ("429", 8), ("503", 8), ("403", 8)),
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
LIVE_FAULTS: Mapping[str, tuple[str, ...]] = {
    "post": ("lost_before", "lost_after", "500_after", "429"),
    "read": ("500", "lost_after", "503"),
    "records": ("500", "lost_after", "503"),
    "export": ("500", "lost_after"),
    "begin": ("kill", "freeze"),
    "commit": ("away", "unknown", "kill_before", "kill_after"),
    "job": ("deadlock", "no_index", "short"),
}
"""Those of jobs whose records are read."""
UPSERT = "create_or_update_by_external_id"
ACTS = ("pause", "resume", "cancel")
DECISIONS = ("check_again", "resend", "accept")
CHILDREN = ("retry", "continue")
PERSONS = (*ACTS, *DECISIONS, *CHILDREN, "stop_waiting")
OTHERS = ("write", "create")
TIMING: Mapping[str, tuple[str, ...]] = {
    "lease": ("lease_ttl", "lease_renew_interval", "lease_stale_after"),
    "loop": ("refresh_interval", "coalesce_interval", "max_idle_wait"),
    "polls": ("max_poll_interval", "min_tail_interval", "status_absent_timeout"),
    "reads": ("reconcile_interval", "max_backoff", "first_job_duration"),
}
"""Groups of intervals that some seeds halve or double together. The quiet time and the
request timeout stay: late requests are drawn to fit them."""


JUMPS = (-3600.0, -40.0, 40.0, 3600.0)
KEPT_IMAGES = 0.25
"""The share of the jobs of swarms whose records are read before each batch."""
LARGE = 0.05
"""The share of jobs with batches of 100 items."""
BAD_ROWS = 0.1
"""The share of jobs with a row for which the account refuses the request."""
SEVERAL_ACCOUNTS = 0.15
"""The share of swarms with jobs on several accounts, of which each worker drives one at a
time."""
WATCHED = {"watch_interval": 4.0, "watch_page_interval": 2.0, "watch_max_age": 10.0}
"""Intervals of a watch that are short beside the jobs."""
AROUND_UNDO = (-8.0, 12.0)
"""Seconds from the wish for an undo. Its records are read after 3 to 6, and sent after 9 to
12."""
FREQUENT = frozenset({"decisions", "retries"})
"""Profiles that are drawn three times as often, because what they aim at needs more luck."""


def plan_of(seed: int, profile: str = "") -> Plan:
    """The plan of a seed: two thirds swarms, a tenth of all faults at once, the others
    aimed at one kind of fault. With `profile`, one of these."""
    random = Random(f"plan:{seed}")
    drawn = random.random()
    if profile or drawn < 0.25:
        weights = [3 if name in FREQUENT else 1 for name in PROFILES]
        name = profile or random.choices(list(PROFILES), weights)[0]
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
    for what in ("kill", "freeze", "stop", *PERSONS, *OTHERS):
        if random.random() >= share:
            continue
        for _ in range(random.randint(1, 3)):
            time = round(random.uniform(1, 90), 2)
            events.append((time, what, _target(what, random)))
    plan = Plan(
        seed,
        name,
        _jobs(random, random.randint(1, 3)),
        _weather(random, share),
        faults,
        tuple(sorted(events)),
        has_files=random.random() < 0.3,
        timing=_timing(random) if random.random() < 0.3 else {},
        answers=_answers(random),
    )
    plan = _with_reads(plan)
    if random.random() < SEVERAL_ACCOUNTS:
        return _on_several_accounts(plan, random)
    return plan


def _with_reads(plan: Plan) -> Plan:
    """Some jobs keep what records hold. Where records can never be read, they would wait
    forever."""
    if plan.weather.stays_refused:
        return plan
    random = Random(f"reads:{plan.seed}")
    jobs = [replace(job, keep_undo=random.random() < KEPT_IMAGES) for job in plan.jobs]
    return replace(plan, jobs=tuple(jobs))


def _answers(random: Random) -> tuple[str, ...]:
    """What persons decide in the end. "accept" ends every wait."""
    return (random.choice(DECISIONS), random.choice(DECISIONS), "accept")


def _on_several_accounts(plan: Plan, random: Random) -> Plan:
    jobs = [replace(job, account=number) for number, job in enumerate(plan.jobs)]
    unreachable = random.randint(0, 1) if len(jobs) > 1 else 0
    weather = replace(plan.weather, unreachable=unreachable)
    return replace(
        plan,
        jobs=tuple(jobs),
        weather=weather,
        max_accounts=1,
        workers=random.randint(1, 2),
    )


def _timing(random: Random) -> dict[str, float]:
    usual = Timing()
    timing = {}
    for names in TIMING.values():
        factor = random.choice((0.5, 1.0, 2.0))
        for name in names:
            timing[name] = factor * getattr(usual, name)
    return timing


def _argument(what: str, random: Random) -> float:
    match what:
        case "late":
            # A request may arrive a little after its sender has given up.
            return random.choice((5.0, 33.0, 43.0))
        case "429" | "503":
            return random.choice((1.0, 20.0))
        case "frozen":
            # With the age of a lease, less than a takeover waits for.
            return random.choice((10.0, 30.0, 40.0))
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
    is_large = random.random() < LARGE
    batch_size = 100 if is_large else random.randint(2, 4)
    rows = random.randint(120, 220) if is_large else random.randint(3, 16)
    numbers = random.sample(range(max(20, rows)), rows)
    values = [str(random.randint(100, 999)) for _ in numbers]
    if random.random() < BAD_ROWS:
        values[random.randrange(len(values))] = BAD
    if has_ids is None:
        has_ids = random.random() < 0.85
    return JobPlan(
        launch_at=round(random.choice((1.0, 1.0, random.uniform(1, 40))), 2),
        action=action,
        rows=tuple((f"k{n}", v) for n, v in zip(numbers, values, strict=True)),
        batch_size=batch_size,
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
    refused = _sometime(random) if random.random() < share / 3 else None
    jump = random.choice(JUMPS) if is_on() else 0.0
    host_jump = random.choice(JUMPS) if is_on() else 0.0
    return Weather(
        lag_by_id=lag,
        lag_by_search=2 * lag + (5.0 if is_on() else 0.0),
        lag_of_statuses=random.choice((1.0, 10.0)) if is_on() else 0.0,
        job_seconds=random.choice((1.0, 4.0, 10.0)),
        slots=random.choice((2, 5, 30)) if is_on() else 30,
        reads_refused_from=refused,
        stays_refused=refused is not None and random.random() < 0.5,
        requests_per_minute=random.choice((30, 700)) if is_on() else 700,
        max_running_jobs=random.choice((2, 30)) if is_on() else 30,
        statuses_expire_after=random.choice((3.0, 20.0)) if is_on() else None,
        database_ahead=jump,
        database_jumps_at=_sometime(random) if jump else None,
        host_ahead=host_jump,
        host_jumps_at=_sometime(random) if host_jump else None,
    )


def _sometime(random: Random) -> float:
    return round(random.uniform(2, 60), 2)


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
        rows=tuple((key, f"1{value}") for key, value in first.rows),
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
    events = ((30.0, random.choice(ACTS), "0"),)
    return Plan(seed, "refused reads", jobs, weather, faults, events)


def _slow_jobs(seed: int, random: Random) -> Plan:
    """Kind 4: an unconfirmed request whose job runs longer than the quiet time."""
    job = _job(random, random.choice(("update", "create_or_update_by_external_id")))
    faults = _posts(random, "lost_after", "500_after", density=0.5)
    for number in range(1, 10):
        faults[f"job:{number}"] = ("crawls", random.choice((15.0, 20.0)))
    return Plan(seed, "slow jobs", (job,), Weather(), faults)


def _frozen_requests(seed: int, random: Random) -> Plan:
    """A process freezes between the last check of its lease and the request."""
    job = _job(random, random.choice(("update", "create_or_update_by_external_id")))
    faults = {
        f"post:{random.randint(1, 3)}": ("frozen", random.choice((34.0, 38.0, 42.0)))
    }
    weather = Weather(job_seconds=random.choice((4.0, 10.0)))
    return Plan(seed, "frozen requests", (job,), weather, faults)


def _frozen_drivers(seed: int, random: Random) -> Plan:
    """A driver freezes before it begins a transaction, and another one takes over."""
    jobs = (_job(random), _job(random, "update"))
    faults = {}
    for edge in ("begin", "post"):
        for _ in range(2):
            number = random.randint(2, 20 if edge == "begin" else 6)
            what = "freeze" if edge == "begin" else "frozen"
            faults[f"{edge}:{number}"] = (what, random.choice((16.0, 20.0, 34.0)))
    events = [(_sometime(random), "freeze", "40")]
    weather = Weather(job_seconds=10.0)
    return Plan(seed, "frozen drivers", jobs, weather, faults, tuple(events))


def _limits(seed: int, random: Random) -> Plan:
    """An account with little room, which asks to wait."""
    jobs = _jobs(random, 2)
    faults: dict[str, tuple[str, float]] = {}
    for number in range(1, 8):
        if random.random() < 0.3:
            what = random.choice(("429", "503"))
            faults[f"poll:{number}"] = (what, 20.0)
        if random.random() < 0.3:
            what = random.choice(("429", "503"))
            faults[f"post:{number}"] = (what, 20.0)
    weather = Weather(
        requests_per_minute=random.choice((20, 60, 700)),
        max_running_jobs=random.choice((1, 2, 30)),
        job_seconds=10.0,
    )
    return Plan(seed, "limits", jobs, weather, faults)


def _refused_rows(seed: int, random: Random) -> Plan:
    """A row for which the account refuses the request, among lost answers."""
    job = _job(random)
    rows = list(job.rows)
    for index in random.sample(range(len(rows)), 2):
        rows[index] = (rows[index][0], BAD)
    job = replace(job, rows=tuple(rows), batch_size=random.randint(3, 8))
    faults = _posts(random, "lost_after", "lost_before", "500_after", density=0.2)
    return Plan(seed, "refused rows", (job,), Weather(), faults)


def _killed_planners(seed: int, random: Random) -> Plan:
    """Jobs that come as files, and processes that die while they plan or send."""
    jobs = _jobs(random, 2)
    faults: dict[str, tuple[str, float]] = {}
    for edge, what in (
        ("begin", "kill"),
        ("begin", "freeze"),
        ("commit", "kill_before"),
        ("commit", "kill_after"),
        ("commit", "away"),
    ):
        for _ in range(2):
            number = random.randint(1, 40)
            faults[f"{edge}:{number}"] = (what, _argument(what, random))
    events = ((_sometime(random), random.choice(ACTS), "0"),)
    return Plan(
        seed, "killed planners", jobs, Weather(), faults, events, has_files=True
    )


def _children(seed: int, random: Random) -> Plan:
    """Retries of failed rows, and continuations of cancelled jobs."""
    action = random.choice(("create", "update", "create_or_update_by_external_id"))
    job = _job(random, action, has_ids=True)
    faults = _posts(random, "lost_after", "500_after", density=0.2)
    for number in range(1, 10):
        if random.random() < 0.4:
            what = random.choice(("deadlock", "short", "shuffled_without_index"))
            faults[f"job:{number}"] = (what, round(random.random(), 3))
    cancelled_at = round(random.uniform(2, 9), 2)
    events = [(cancelled_at, "cancel", "0")] if random.random() < 0.5 else []
    for what in (*CHILDREN, *CHILDREN):
        events.append((round(random.uniform(10, 90), 2), what, "0"))
    return Plan(
        seed,
        "retries",
        (job,),
        Weather(),
        faults,
        tuple(sorted(events)),
        has_files=True,
    )


def _decisions(seed: int, random: Random) -> Plan:
    """Uncertain rows, about which persons decide."""
    job = _job(random, "create", has_ids=False)
    faults = _posts(random, "lost_before", "lost_after", density=0.5)
    decisions = [random.choice((*DECISIONS, "stop_waiting")) for _ in range(3)]
    events = [(round(random.uniform(15, 100), 2), each, "0") for each in decisions]
    return Plan(
        seed,
        "decisions",
        (job,),
        Weather(),
        faults,
        tuple(sorted(events)),
        answers=_answers(random),
    )


def _expired_statuses(seed: int, random: Random) -> Plan:
    """Job statuses are gone when the next driver asks for them."""
    jobs = (_job(random), _job(random, "create", has_ids=False))
    events = [(round(random.uniform(3, 12), 2), "kill", "")]
    weather = Weather(statuses_expire_after=random.choice((1.0, 5.0)))
    return Plan(seed, "expired statuses", jobs, weather, {}, tuple(events))


def _starved_accounts(seed: int, random: Random) -> Plan:
    """Kind 10: accounts that cannot be reached, among others that need their turns."""
    unreachable = random.randint(1, 2)
    jobs = [
        replace(_job(random), account=account) for account in range(unreachable + 2)
    ]
    return Plan(
        seed,
        "starved accounts",
        tuple(jobs),
        Weather(unreachable=unreachable),
        faults_end=300.0,
        max_accounts=random.randint(1, unreachable),
        workers=random.randint(1, 2),
    )


def _kept_images(seed: int, random: Random) -> Plan:
    """What records hold is kept, among lost answers, kills and edits of others."""
    action = random.choice(("update", "create_or_update_by_external_id"))
    job = replace(_job(random, action), keep_undo=True)
    faults = _posts(random, "lost_before", "lost_after", "500_after", density=0.3)
    for number in range(1, 12):
        if random.random() < 0.3:
            what = random.choice(("500", "lost_after", "503", "429"))
            faults[f"read:{number}"] = (what, _argument(what, random))
        if random.random() < 0.2:
            faults[f"job:{number}"] = ("deadlock", round(random.random(), 3))
    for edge, what in (("commit", "kill_after"), ("commit", "unknown")):
        faults[f"{edge}:{random.randint(3, 40)}"] = (what, 0.0)
    return Plan(seed, "kept images", (job,), Weather(), faults, _edits(random, job, 4))


def _refused_changes(seed: int, random: Random) -> Plan:
    """Rows that are not sent over the edits of others."""
    job = replace(_job(random, "update"), refuses_changes=True)
    faults = _posts(random, "lost_before", "lost_after", "429", density=0.3)
    weather = Weather(
        max_running_jobs=random.choice((1, 2)),
        requests_per_minute=random.choice((30, 700)),
    )
    events = list(_edits(random, job, 6))
    if random.random() < 0.5:
        events.append((_sometime(random), "kill", ""))
    return Plan(seed, "refused changes", (job,), weather, faults, tuple(sorted(events)))


def _live_job(random: Random, action: str = "") -> JobPlan:
    """With few keys and values, so that jobs and programs meet in the same records."""
    action = action or random.choice(
        (UPSERT, UPSERT, UPSERT, "update", "delete_by_external_id")
    )
    columns = random.choice((("value",), ("value", "colour"), ("value", "colour")))
    if action == "delete_by_external_id":
        columns = ("value",)
    keys = random.sample(range(12), random.randint(2, 9))
    choices = {"value": ("100", "101", "102"), "colour": ("red", "blue")}
    return JobPlan(
        launch_at=round(random.uniform(1, 4), 2),
        action=action,
        rows=tuple(
            (f"k{key}", "/".join(random.choice(choices[name]) for name in columns))
            for key in sorted(keys)
        ),
        batch_size=random.randint(2, 4),
        keep_undo=random.random() < 0.4,
        refuses_changes=random.random() < 0.4,
        columns=columns,
        compares=random.random() < 0.8,
        left_out=tuple(sorted(random.sample(range(2, len(keys) + 2), 1)))
        if random.random() < 0.3
        else (),
    )


def _live(seed: int, random: Random, jobs: list[JobPlan], name: str) -> Plan:
    """These jobs, one after the other, among edits of others, kills and lost answers."""
    first = jobs[0]
    later = 0.0
    placed = []
    for job in jobs:
        is_strict = job.refuses_changes and (job.compares or job.matches)
        placed.append(
            replace(
                job,
                launch_at=round(job.launch_at + later, 2),
                batch_size=first.batch_size,
                refuses_changes=is_strict,
            )
        )
        later += random.choice((2.0, 15.0, 30.0))
    events: list[tuple[float, str, str]] = []
    for _ in range(random.choice((0, 0, 2, 6))):
        what = random.choice(("write", "colour", "note", "note", "vanish", "create"))
        events.append(
            (round(random.uniform(1, 90), 2), what, f"k{random.randint(0, 11)}")
        )
    faults: dict[str, tuple[str, float]] = {}
    if random.random() < 0.5:
        for edge, kinds in LIVE_FAULTS.items():
            is_of_database = edge in {"begin", "commit"}
            for number in range(5, 60) if is_of_database else range(1, 16):
                if random.random() < (0.03 if is_of_database else 0.12):
                    what = random.choice(kinds)
                    faults[f"{edge}:{number}"] = (what, _argument(what, random))
    lag = random.choice((0.0, 0.0, 0.0, 5.0))
    return Plan(
        seed,
        name,
        tuple(placed),
        Weather(
            lag_by_id=lag,
            lag_by_search=lag,
            job_seconds=random.choice((1.0, 4.0)),
        ),
        faults,
        tuple(events),
    )


def _with_events(plan: Plan, events: list[tuple[float, str, str]]) -> Plan:
    return replace(plan, events=tuple(sorted([*plan.events, *events])))


def _compared(seed: int, random: Random) -> Plan:
    """Jobs that are compared before, and send what differs."""
    jobs = [_live_job(random) for _ in range(random.choice((1, 1, 2)))]
    plan = _live(seed, random, jobs, "compared")
    if random.random() < 0.4:
        return _watched(plan, random)
    if random.random() < 0.5:
        return _with_events(plan, [(_sometime(random), "prove", "0")])
    return plan


def _watched(plan: Plan, random: Random) -> Plan:
    """Its batches are sent one after the other, so that the export shows changes in time."""
    jobs = [
        replace(
            job, compares=True, watches=True, refuses_changes=False, keep_undo=False
        )
        for job in plan.jobs
    ]
    weather = replace(plan.weather, max_running_jobs=1, job_seconds=10.0)
    watched = replace(plan, jobs=tuple(jobs), weather=weather, timing=WATCHED)
    job = jobs[0]
    changes = _changes_around(random, job.launch_at + 15.0, job)
    return _with_events(watched, changes)


def _undone(seed: int, random: Random) -> Plan:
    """Jobs that are undone, and undos, while others change what the jobs have written."""
    jobs = [
        replace(_live_job(random), keep_undo=random.random() < 0.8)
        for _ in range(random.choice((1, 1, 2, 2, 3)))
    ]
    plan = _live(seed, random, jobs, "undone")
    events = []
    for number in range(random.choice((1, 2, 3))):
        undone = random.randrange(len(jobs) + number)
        what = random.choice(("undo", "undo", "undo", "undo_rows", "undo_value"))
        asked_at = 30.0 * number + _sometime(random)
        if undone < len(jobs):
            job = plan.jobs[undone]
            asked_at = max(asked_at, job.launch_at + random.choice((0.0, 20.0, 20.0)))
            events += _changes_around(random, asked_at, job)
        events.append((asked_at, what, str(undone)))
    return _with_events(plan, events)


def _changes_around(
    random: Random, asked_at: float, job: JobPlan
) -> list[tuple[float, str, str]]:
    """Others change values that a job writes: before an undo of it reads them, and until the
    undo is sent."""
    changes = []
    for _ in range(random.choice((0, 2, 4))):
        key, _ = random.choice(job.rows)
        name = random.choice(job.columns)
        at = max(1.0, asked_at + random.uniform(*AROUND_UNDO))
        changes.append((round(at, 2), "write" if name == "value" else name, key))
    return changes


def _proved(seed: int, random: Random) -> Plan:
    """Jobs whose records are read afterwards, among edits of others."""
    jobs = [_live_job(random) for _ in range(random.choice((1, 2)))]
    plan = _live(seed, random, jobs, "proved")
    events = [(_sometime(random), "prove", str(number)) for number in range(len(jobs))]
    return _with_events(plan, events)


def _matched(seed: int, random: Random) -> Plan:
    """A job that deletes what only the account has, while records come and go."""
    job = replace(_live_job(random, UPSERT), matches=True, compares=True, left_out=())
    plan = _live(seed, random, [job], "matched")
    events = []
    for _ in range(random.choice((0, 2, 5))):
        what = random.choice(("write", "note", "note", "vanish", "create"))
        key = f"k{random.randint(60, 67)}"
        events.append((round(random.uniform(1, 25), 2), what, key))
    if random.random() < 0.3:
        events.append((_sometime(random), "undo", "0"))
    return _with_events(plan, events)


def _edits(
    random: Random, job: JobPlan, number: int
) -> tuple[tuple[float, str, str], ...]:
    keys = random.sample(job.rows, min(number, len(job.rows)))
    edits = [(round(random.uniform(1, 30), 2), "write", key) for key, _ in keys]
    return tuple(sorted(edits))


PROFILES = {
    "compared": _compared,
    "decisions": _decisions,
    "edited between": _edited_between,
    "expired statuses": _expired_statuses,
    "foreign record": _foreign_record,
    "frozen drivers": _frozen_drivers,
    "frozen requests": _frozen_requests,
    "kept images": _kept_images,
    "killed planners": _killed_planners,
    "lagging create": _lagging_create,
    "limits": _limits,
    "matched": _matched,
    "odd results": _odd_results,
    "passing failures": _passing_failures,
    "proved": _proved,
    "refused changes": _refused_changes,
    "refused reads": _refused_reads,
    "refused rows": _refused_rows,
    "retries": _children,
    "slow jobs": _slow_jobs,
    "starved accounts": _starved_accounts,
    "two writers": _two_writers,
    "undone": _undone,
}
