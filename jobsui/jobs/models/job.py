import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat, Now
from django.utils import timezone

from jobsui.connections.models import Connection
from jobsui.jobs.enums import (
    AUTO_TARGETS,
    MOVING,
    OVER,
    SENDABLE,
    SETTLED,
    SUCCEEDED,
    UNLAUNCHED,
    Action,
    BatchState,
    Component,
    EventKind,
    JobState,
    LimitedBy,
    Outcome,
    ParentRows,
    Weight,
)
from jobsui.jobs.models.file import File
from jobsui.jobs.models.run_settings import RunSettings
from jobsui.jobs.models.wait import AccountWait

if TYPE_CHECKING:
    pass


class JobQuerySet(models.QuerySet["Job"]):
    def launched(self) -> "JobQuerySet":
        return self.exclude(state__in=UNLAUNCHED)

    def open(self) -> "JobQuerySet":
        """Launched, and not over: they may still send something."""
        return self.launched().exclude(state__in=OVER)

    def drafts(self) -> "JobQuerySet":
        return self.filter(state__in=UNLAUNCHED)

    def with_failed_rows(self) -> "JobQuerySet":
        """Retries: jobs of rows that failed in their parent."""
        return self.filter(parent_rows=ParentRows.FAILED)

    def moving(self) -> "JobQuerySet":
        return self.filter(state__in=MOVING)

    def on_account(self, host: str) -> "JobQuerySet":
        return self.filter(connection__host=host)

    def later_than(self, job: "Job") -> "JobQuerySet":
        """Launched after a job, on the same object of the same account."""
        launched = self.on_account(job.connection.host).launched()
        later = launched.filter(
            object_key=job.object_key, created_at__gt=job.created_at
        )
        return later.exclude(pk=job.pk)

    def with_limit(self) -> "JobQuerySet":
        """Each with `limited_by_now`: what limits its speed now, and `waits_until`: when
        Zendesk accepts requests again. Both are correct even when no driver runs that
        could store them."""
        lease_name = Concat(Value("account:"), OuterRef("connection__host"))
        has_driver = Exists(Lease.objects.live().filter(name=lease_name))
        planned = Job.objects.filter(
            pk=OuterRef("pk"),
            batches__state=BatchState.PLANNED,
            batches__done_at=None,
        )
        waits_for_planner = Q(state__in=SENDABLE, planned_at=None) & ~Exists(planned)
        limit = Case(
            When(
                state=JobState.PAUSED,
                hold_after_first_batch=True,
                batches_done__gt=0,
                then=Value(LimitedBy.FIRST_BATCH.value),
            ),
            When(state=JobState.PAUSED, then=Value(LimitedBy.PAUSED.value)),
            When(Q(state__in=MOVING) & ~has_driver, then=Value(LimitedBy.WORKER.value)),
            When(state=JobState.PAUSING, then=Value(LimitedBy.PAUSED.value)),
            When(waits_for_planner, then=Value(LimitedBy.WORKER.value)),
            When(state__in=SENDABLE, then=F("limited_by")),
            default=Value(LimitedBy.NOTHING.value),
        )
        wait = AccountWait.objects.lasting().filter(host=OuterRef("connection__host"))
        return self.annotate(
            limited_by_now=limit,
            waits_until=Case(
                When(state__in=MOVING, then=Subquery(wait.values("until")))
            ),
        )

    def change(self, job: "Job", *, expected: tuple[str, ...], **fields: Any) -> bool:
        """Update one job, provided its state is among `expected`; then `job` is
        refreshed. False: its state is another one, and nothing has changed. The state
        itself changes in ledger/lifecycle.py alone."""
        changed = self.filter(pk=job.pk, state__in=expected).update(
            version=models.F("version") + 1, **fields
        )
        if changed:
            job.refresh_from_db()
        return bool(changed)


def _counter() -> "models.PositiveBigIntegerField[int, int]":
    return models.PositiveBigIntegerField(default=0)


class Job(models.Model):
    """One file, one action, one object. It begins as a draft."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="jobs"
    )
    object_key = models.CharField(max_length=255)
    action = models.CharField(max_length=40, choices=Action)
    file = models.ForeignKey(File, on_delete=models.PROTECT, related_name="jobs")
    # A retry sends the rows of its parent that failed, a continuation those that were
    # not sent.
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="retries"
    )
    parent_rows = models.CharField(max_length=6, choices=ParentRows, blank=True)
    # A retry of this cause only; None: of all failed rows.
    cause = models.ForeignKey(
        "Cause", on_delete=models.PROTECT, null=True, blank=True, related_name="retries"
    )

    # {column: target}; a target is "name", "external_id", "id" or "field:KEY"
    # (mapping/field_targets.py). Columns left out are not sent.
    mapping = models.JSONField(default=dict)
    # {target: members of mapping/rules.py}, for the targets that have a rule.
    rules = models.JSONField(default=dict, blank=True)
    # Where mapping and rules come from; None: a person or program chose them here.
    saved_mapping = models.ForeignKey(
        "SavedMapping",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    # The members of mapping/options.py: {"blank": "skip" or "clear", ...}.
    options = models.JSONField(default=dict)

    state = models.CharField(max_length=16, choices=JobState, default=JobState.DRAFT)
    # Until which state a draft of a program advances without a person: ready, or queued
    # (launched). "" for other drafts, once it is there, and once it needs a person
    # (control/automation.py).
    auto_target = models.CharField(
        max_length=6, choices=[(s.value, s.label) for s in AUTO_TARGETS], blank=True
    )
    # Why the job stopped or failed, as a sentence; "" otherwise.
    reason = models.TextField(blank=True)
    limited_by = models.CharField(
        max_length=20, choices=LimitedBy, default=LimitedBy.NOTHING, blank=True
    )
    # {LimitedBy: seconds}: how long the job was limited by it, up to the last change of
    # limited_by.
    limited_seconds = models.JSONField(default=dict)
    # Since when limited_by is what it is.
    limited_since = models.DateTimeField(null=True, blank=True)

    # The job's share of its account while other jobs run, shown as its priority.
    weight = models.PositiveSmallIntegerField(choices=Weight, default=Weight.NORMAL)
    # After the first batch, the job pauses until a person approves the others.
    hold_after_first_batch = models.BooleanField(default=False)
    # The job pauses automatically when this percentage of its last `stop_rows` rows
    # failed, or when Zendesk refuses `stop_refusals` requests in a row. None: never.
    stop_percent = models.PositiveSmallIntegerField(null=True, blank=True, default=50)
    stop_rows = models.PositiveIntegerField(default=1000)
    stop_refusals = models.PositiveSmallIntegerField(null=True, blank=True, default=10)

    # Of the file, mapping, options and schema that were checked
    # (preparation/checker.py); "" before the check.
    checked_fingerprint = models.CharField(max_length=64, blank=True)
    rows_checked = _counter()
    rows_invalid = _counter()
    # Rows without a problem that Zendesk may refuse all the same.
    rows_warned = _counter()
    checked_at = models.DateTimeField(null=True, blank=True)
    # No checked row becomes an item with more bytes. None: not known.
    largest_item = models.PositiveBigIntegerField(null=True, blank=True)

    # How many of the rows are records that only the account has, and that the job deletes.
    # 0 before the launch.
    records_to_delete = _counter()

    # Row counts. Pending is what is left (property), so the outcomes add up to the rows
    # at every commit.
    rows = _counter()
    created = _counter()
    updated = _counter()
    created_or_updated = _counter()
    deleted = _counter()
    unchanged = _counter()
    invalid = _counter()
    failed = _counter()
    uncertain = _counter()
    cancelled = _counter()

    # How often rows failed for a temporary reason, so that they were sent again.
    temporary_failures = _counter()
    # A person has accepted the uncertain rows as unknown.
    uncertain_accepted = models.BooleanField(default=False)

    batches_total = models.PositiveIntegerField(default=0)
    batches_done = models.PositiveIntegerField(default=0)
    # The number of the last row that the planner committed. planned_at is None while
    # there are more.
    planned_row = _counter()
    planned_at = models.DateTimeField(null=True, blank=True)
    # [[unix seconds, settled rows without invalid ones], ...] of the last minutes, oldest
    # first. Rate and time left are computed from it.
    pace = models.JSONField(default=list)

    # Grows with every change that a page shows, so that a poll notices when there is
    # none.
    version = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    # When the retention settings made these unavailable (retention.py). None: they are
    # kept.
    # When its records were added to the history.
    indexed_at = models.DateTimeField(null=True, blank=True)
    undo_pruned_at = models.DateTimeField(null=True, blank=True)
    bodies_pruned_at = models.DateTimeField(null=True, blank=True)
    attempts_pruned_at = models.DateTimeField(null=True, blank=True)
    results_pruned_at = models.DateTimeField(null=True, blank=True)
    # Of the old values of its records, once it has ended; it stays when they are deleted.
    image_bytes = models.PositiveBigIntegerField(default=0)
    # What is unavailable is still being deleted.
    is_pruning = models.BooleanField(default=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="job_newest"),
            models.Index(fields=["connection", "state"], name="job_of_account"),
            # For the home page and the sweep, which look for a few of 100,000 jobs.
            models.Index(fields=["state", "-created_at", "-id"], name="job_by_state"),
            # For pruning, which looks for the few old jobs that still have something.
            models.Index(fields=["finished_at"], name="job_by_end"),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(undo_pruned_at=None),
                name="job_with_old_values",
            ),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(bodies_pruned_at=None),
                name="job_with_bodies",
            ),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(attempts_pruned_at=None),
                name="job_with_attempts",
            ),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(results_pruned_at=None),
                name="job_with_results",
            ),
            models.Index(
                fields=["id"], condition=models.Q(is_pruning=True), name="job_pruning"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.object_key} from {self.file.name}"

    @property
    def rows_to_check(self) -> int | None:
        """How many rows a draft has. None: its file is not read yet."""
        return self.rows if self.parent_id else self.file.rows

    @property
    def settled(self) -> int:
        return sum(self.count(outcome) for outcome in SETTLED)

    @property
    def succeeded(self) -> int:
        return sum(self.count(outcome) for outcome in SUCCEEDED)

    @property
    def pending(self) -> int:
        return self.rows - self.settled

    def count(self, outcome: Outcome) -> int:
        if outcome is Outcome.PENDING:
            return self.pending
        return int(getattr(self, outcome.value))

    @property
    def counts(self) -> dict[str, int]:
        """The contract's `counts`: rows, then every outcome."""
        return {"rows": self.rows} | {
            outcome.value: self.count(outcome) for outcome in Outcome
        }

    @property
    def to_send(self) -> int:
        """How many rows have no result and are not left out."""
        return self.pending - max(0, self.rows_left_out - self.invalid)

    @property
    def rows_left_out(self) -> int:
        """How many rows of a checked job are not sent: those with a problem, and those
        with a warning if that was chosen."""
        if self.options.get("warnings") == "skip":
            return self.rows_invalid + self.rows_warned
        return self.rows_invalid

    @property
    def current_limit(self) -> LimitedBy:
        """What limits the speed of a job of with_limit() now."""
        return LimitedBy(vars(self)["limited_by_now"])

    @property
    def continues_at(self) -> datetime | None:
        """When Zendesk accepts requests for a job of with_limit() again; None: now, or the
        job has nothing to ask."""
        until: datetime | None = vars(self)["waits_until"]
        return until

    @property
    def is_held_after_first_batch(self) -> bool:
        """Its first batch has finished, and the others wait for approval."""
        return (
            self.state == JobState.PAUSED
            and self.hold_after_first_batch
            and self.batches_done > 0
        )

    @property
    def run_settings(self) -> RunSettings:
        return RunSettings(
            Weight(self.weight),
            self.stop_percent,
            self.stop_rows,
            self.stop_refusals,
        )

    @property
    def is_draft(self) -> bool:
        return self.state in UNLAUNCHED

    @property
    def is_moving(self) -> bool:
        return self.state in MOVING

    @property
    def is_in_progress(self) -> bool:
        """Whether its state will change without a person."""
        is_automatic = self.is_draft and self.auto_target != ""
        return self.is_moving or self.state == JobState.CHECKING or is_automatic

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def limited_from_now(self, limited_by: LimitedBy) -> dict[str, Any]:
        """The fields that store this limit, and add up the seconds of the previous
        one."""
        now = timezone.now()
        seconds = dict(self.limited_seconds)
        if self.limited_by and self.limited_since:
            before = seconds.get(self.limited_by, 0.0)
            elapsed = (now - self.limited_since).total_seconds()
            seconds[self.limited_by] = round(before + elapsed, 3)
        return {
            "limited_by": limited_by,
            "limited_since": now,
            "limited_seconds": seconds,
        }


class JobEvent(models.Model):
    """What happened to a job: a kind and its facts. reports/event_sentences.py makes the
    sentence."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=20, choices=EventKind)
    # JSON; EventKind names the members of each kind.
    facts = models.JSONField(default=dict)
    # The person who did it, or the component; neither: an account deleted since.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    component = models.CharField(max_length=12, choices=Component, blank=True)

    class Meta:
        ordering = ("-at", "-pk")


class LeaseQuerySet(models.QuerySet["Lease"]):
    def live(self) -> "LeaseQuerySet":
        return self.filter(expires_at__gt=Now())


class Lease(models.Model):
    """Who may do a piece of work now, by the database's clock. `epoch` grows each time
    the lease is acquired. Its owner checks the epoch in every transaction, so an owner
    that was suspended for too long changes nothing."""

    # "account:HOST", "plan:JOB ID", "check:JOB ID", "read:FILE ID".
    name = models.CharField(max_length=300, unique=True)
    owner = models.CharField(max_length=100, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    expires_at = models.DateTimeField()
    # How many runs of a task in a row began and did not end (leases.tried), or how many
    # drivers of an account in a row crashed (delivery/driver_pool.py).
    tries = models.PositiveSmallIntegerField(default=0)

    objects = LeaseQuerySet.as_manager()
