"""The account that a file is probably meant for, if it is not the account of its job."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.agreement import Agreement
from jobsui.jobs.mapping.key_rewritings import ENOUGH, rises_clearly
from jobsui.jobs.models import Job
from jobsui.jobs.preparation.key_damage.contents import Contents
from jobsui.jobs.preparation.key_damage.look_ups import LookUps
from jobsui.jobs.preparation.key_damage.sample import Sample, count
from jobsui.jobs.preparation.sampled_rows import spread
from jobsui.zendesk.custom_objects import PAGE_SIZE

MAX_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class OtherAccount:
    connection: Connection
    existing: int
    """How many keys have a record there."""
    looked_up: int
    """How many keys were looked up there."""


def find(
    job: Job,
    sample: Sample,
    look_ups: LookUps,
    contents: Contents,
    *,
    is_contradicted: bool = False,
) -> OtherAccount | None:
    """The first account that clearly fits better. `is_contradicted`: the keys also exist in the
    account of the job, but with other values. Then only the values decide."""
    key = Action(job.action).key
    keys = spread([row.key for row in sample.rows], PAGE_SIZE)
    page = next(iter(look_ups.pages(keys)))
    chosen = set(page)
    rows = [row for row in sample.rows if row.key in chosen]
    here = count(look_ups.record(key, row.key) for row in rows)
    for connection in _other_connections(job):
        if not look_ups.requests_left:
            return None
        found = look_ups.records_elsewhere(connection, key, page)
        records = [found.get(row.key) for row in rows]
        there = count(records)
        if not is_contradicted and not rises_clearly(here, there, len(rows)):
            continue
        agreement = contents.agreement(rows, records)
        is_likely = not here and there >= ENOUGH * len(rows)
        if agreement is Agreement.AGREES or (
            agreement is Agreement.UNKNOWN and is_likely
        ):
            return OtherAccount(connection, there, len(rows))
    return None


def _other_connections(job: Job) -> Sequence[Connection]:
    """The connections to other accounts with an object of this key, one for each account."""
    objects = CustomObject.objects.filter(key=job.object_key, gone=False)
    others = objects.exclude(connection__host=job.connection.host)
    by_host = {
        each.connection.host: each.connection
        for each in others.select_related("connection").order_by("-connection__name")
    }
    return sorted(by_host.values(), key=lambda each: each.name)[:MAX_CONNECTIONS]
