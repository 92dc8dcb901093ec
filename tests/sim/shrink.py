"""Shrinks a plan to the smallest one in which the same oracle still speaks."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from tests.sim.plan import JobPlan, Plan, Weather


def shrink(plan: Plan, still_fails: Callable[[Plan], bool]) -> Plan:
    """Leave out whatever the failure does not need, as long as something can be left
    out. Each attempt plays a history."""
    while True:
        smaller = next(filter(still_fails, _smaller(plan)), None)
        if smaller is None:
            return plan
        plan = smaller


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with less in them, those that leave out most first."""
    yield from _fewer_faults(plan)
    for index in range(len(plan.events)):
        yield replace(plan, events=_without(plan.events, index))
    # Jobs are named by their number, so only the last one can be left out.
    if len(plan.jobs) > 1:
        yield replace(plan, jobs=plan.jobs[:-1])
    yield from _calmer(plan)
    for number, job in enumerate(plan.jobs):
        for smaller in _fewer_rows(job):
            jobs = (*plan.jobs[:number], smaller, *plan.jobs[number + 1 :])
            yield replace(plan, jobs=jobs)


def _fewer_faults(plan: Plan) -> Iterator[Plan]:
    names = sorted(plan.faults)
    half = len(names) // 2
    if half:
        for dropped in (names[:half], names[half:]):
            yield _without_faults(plan, dropped)
    for name in names:
        yield _without_faults(plan, [name])


def _without_faults(plan: Plan, names: list[str]) -> Plan:
    kept = {name: what for name, what in plan.faults.items() if name not in names}
    return replace(plan, faults=kept)


def _calmer(plan: Plan) -> Iterator[Plan]:
    """With one condition of the weather as it usually is."""
    usual = Weather()
    for field in fields(Weather):
        value = getattr(usual, field.name)
        if getattr(plan.weather, field.name) != value:
            weather = replace(plan.weather, **{field.name: value})
            yield replace(plan, weather=weather)


def _fewer_rows(job: JobPlan) -> Iterator[JobPlan]:
    half = len(job.rows) // 2
    if half:
        yield replace(job, rows=job.rows[:half])
        yield replace(job, rows=job.rows[half:])
    if len(job.rows) > 1:
        for index in range(len(job.rows)):
            yield replace(job, rows=_without(job.rows, index))


def _without[T](values: tuple[T, ...], index: int) -> tuple[T, ...]:
    return values[:index] + values[index + 1 :]
