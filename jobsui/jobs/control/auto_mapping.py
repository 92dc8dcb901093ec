"""Mapping without a person: columns named like fields map themselves. What only the texts
of a column or earlier jobs suggest is left to a person."""

from collections.abc import Mapping

from jobsui.jobs.control import drafts
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.matching import suggest_for
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker


def auto_map(job: Job, *, by: Actor, chosen: Mapping[str, str] | None = None) -> None:
    """Map the columns of a draft that are named like fields. `chosen`: {column: target
    key} of those mapped already. Raises NotPossibleNow once launched."""
    mapping = suggest_for(job, chosen, only_by_name=True)
    drafts.set_mapping(job, mapping, Options.from_json(job.options), by=by)


def auto_map_unmapped(job: Job, *, by: Actor) -> None:
    """As `auto_map`, unless a mapping was chosen or the file needs none."""
    if not job.mapping and not job.file.is_raw_items:
        auto_map(job, by=by)


def auto_check(job: Job, *, by: Actor) -> None:
    """Map a draft unless it is mapped, and start its check. Its file must be read.
    Raises NotPossibleNow and MappingRefused."""
    auto_map_unmapped(job, by=by)
    checker.start(job, by=by)
