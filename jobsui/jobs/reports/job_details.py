"""What a job is set up to do, what launching it would do, what went wrong in it, and what
was retried."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, OuterRef, Subquery, Sum, When
from django.db.models.functions import Coalesce

from jobsui.jobs.enums import Action
from jobsui.jobs.live import planned_rows
from jobsui.jobs.mapping.field_targets import api_name, targets_for
from jobsui.jobs.mapping.rule_words import rules_in_words
from jobsui.jobs.mapping.rules import NO_RULE, rules_of
from jobsui.jobs.models import AccountFacts, Cause, Job, RecordRead
from jobsui.jobs.models.batch import MAX_BATCH_SIZE
from jobsui.jobs.timing import Timing


@dataclass(frozen=True, slots=True)
class Preview:
    """What launching a checked job would do."""

    sent: int
    """Rows."""
    deletes: int
    """How many records it deletes."""
    left_out: int
    """Rows with problems."""
    warned: int
    """Rows that Zendesk may refuse."""
    sends_warned: bool
    """Whether these are sent."""
    batches: int
    """About, if it was compared."""
    is_compared: bool
    seconds: float
    """At the account's limits, if each of Zendesk's jobs takes ten seconds. Other
    integrations make it longer."""


def preview(job: Job, comparison: RecordRead | None = None) -> Preview:
    """`comparison`: a finished one, so that only what differs is sent."""
    sent = job.rows - job.rows_left_out
    batches = math.ceil(sent / MAX_BATCH_SIZE)
    deletes = sent if Action(job.action).deletes else 0
    if comparison:
        planned = planned_rows.of(comparison)
        sent = planned.sent
        batches = planned.batches
        deletes = planned.deletes + planned.records
    limits = job.connection
    by_rate = limits.requests_per_minute * limits.share / 100 / 60
    by_slots = limits.max_running_jobs / Timing.first_job_duration
    per_second = min(by_rate, by_slots)
    return Preview(
        sent=sent,
        deletes=deletes,
        left_out=job.rows_invalid,
        warned=job.rows_warned,
        sends_warned=job.rows_left_out == job.rows_invalid,
        batches=batches,
        is_compared=comparison is not None,
        seconds=batches / per_second + Timing.first_job_duration,
    )


@dataclass(frozen=True, slots=True)
class Mapped:
    """A target that a job fills."""

    column: str
    """ "" for a constant."""
    target: str
    """Its label."""
    rule: str
    """In words; "" for none."""


def mapped(job: Job) -> list[Mapped]:
    """By the order of the columns in the file (PostgreSQL keeps no order in JSON), then
    constants."""
    labels = {target.key: target.label for target in targets_for(job)}
    rules = rules_of(job.rules)
    keys = [
        (column, job.mapping[column])
        for column in job.file.columns
        if column in job.mapping
    ]
    keys += [("", key) for key in labels if rules.get(key, NO_RULE).constant]
    return [
        Mapped(
            column=column,
            target=labels.get(key, api_name(key)),
            rule=rules_in_words(rules.get(key, NO_RULE)),
        )
        for column, key in keys
    ]


def causes(
    job: Job, phase: str = Cause.Phase.SEND, *, most: int | None = None
) -> list[Cause]:
    """Problems of the check or of the run, grouped, the most frequent first. Warnings are
    not among them."""
    return list(Cause.objects.filter(job=job, phase=phase, is_warning=False)[:most])


def warnings(job: Job) -> list[Cause]:
    """Why Zendesk may refuse rows that have no problem, the most frequent reason first."""
    return list(Cause.objects.filter(job=job, phase=Cause.Phase.CHECK, is_warning=True))


def account_notices(job: Job) -> list[dict[str, Any]]:
    """What the check of a draft found out about the account as a whole, and what it could
    not find out: members code, message, fix and count."""
    facts = AccountFacts.objects.filter(job=job).first()
    return facts.notices if facts else []


@dataclass(frozen=True, slots=True)
class MainCauses:
    """The causes that a job's page shows."""

    shown: list[Cause]
    hidden: int
    """How many other causes the job has."""


def main_causes(job: Job, retriable: Mapping[int, int], *, most: int) -> MainCauses:
    """At most `most` causes of the run: those whose rows can be retried first, then the
    most frequent. `retriable`: {id of a cause: its rows that can be retried}."""
    found = Cause.objects.filter(job=job, phase=Cause.Phase.SEND)
    first = heapq.nlargest(most, retriable, key=lambda cause: retriable[cause])
    if first:
        is_first = Case(When(pk__in=first, then=0), default=1)
        found = found.order_by(is_first, "-count", "pk")
    shown = list(found[: most + 1])
    hidden = found.count() - most if len(shown) > most else 0
    return MainCauses(shown[:most], hidden)


def problem_count(job: Job) -> int:
    """How many problems the check found. A row can have several."""
    found = Cause.objects.filter(job=job, phase=Cause.Phase.CHECK, is_warning=False)
    return found.aggregate(total=Sum("count"))["total"] or 0


def retries(job: Job) -> list[Job]:
    """The launched retries and continuations of a job, oldest first. Each has `left`:
    its failed rows that no retry of its own took."""
    launched = Job.objects.launched().with_failed_rows()
    taken = launched.filter(parent=OuterRef("pk")).order_by().values("parent")
    taken_rows = Coalesce(Subquery(taken.annotate(sum=Sum("rows")).values("sum")), 0)
    own = job.retries.launched().select_related("cause")
    return list(
        own.annotate(left=F("failed") - taken_rows).order_by("created_at", "pk")
    )
