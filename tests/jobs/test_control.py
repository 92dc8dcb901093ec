import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from jobsui.connections import objects
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs import leases
from jobsui.jobs.control import actions, drafts, retries, sweep
from jobsui.jobs.enums import Action, BatchState, EventKind, JobState, Outcome, Weight
from jobsui.jobs.errors import ChangedSinceCheck, NotPossibleNow
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import (
    Batch,
    BatchBlob,
    Cause,
    File,
    Job,
    RowError,
    RowResult,
    RunSettings,
)
from jobsui.jobs.preparation import checker, file_reading, planner
from tests.factories import make_connection, make_file, make_job, make_object, make_user
from tests.harness import GADGET
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.django_db
ROWS = "external_id,price\ng-1,1\ng-2,2\ng-3,x\n"


@pytest.fixture
def gadget(sandbox: Sandbox) -> CustomObject:
    """An object of a sandbox that is running, so that launch can read its fields
    again."""
    sandbox.settings(api_tokens=True)
    sandbox.make_object("gadget", fields=GADGET)
    connection = make_connection(host=sandbox.host, email=sandbox.email)
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return objects.refresh(make_object(connection, "gadget"))


def checked(to: CustomObject, content: str = ROWS, **options: Any) -> Job:
    job = make_job(content, to=to, **{"invalid": "skip"} | options)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def planned(to: CustomObject, content: str = ROWS) -> Job:
    job = checked(to, content)
    actions.launch(job, by=None)
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def in_state(state: JobState, connection: Connection, **fields: Any) -> Job:
    job = drafts.create_draft(
        connection, "gadget", Action.CREATE, make_file(ROWS), by=None
    )
    Job.objects.filter(pk=job.pk).update(state=state, **fields)
    job.refresh_from_db()
    return job


def settled(job: Job, *results: RowResult) -> Batch:
    """The job's only batch with these results, and the job as its driver leaves it."""
    batch = Batch.objects.get(job=job)
    ledger = settlement.JobCounters()
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.ACCEPTED)
    settlement.settle(batch, dict(enumerate(results)), ledger)
    ledger.write()
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
    lifecycle.finish_if_over(job.pk)
    job.refresh_from_db()
    batch.refresh_from_db()
    return batch


def end(outcome: Outcome) -> RowResult:
    return RowResult(outcome, code="C", message="Because.")


def test_draft_has_a_prefix_of_its_own_for_external_ids(gadget: CustomObject) -> None:
    first, second = (
        drafts.create_draft(
            gadget.connection, "gadget", "create", make_file(ROWS), by=make_user(name)
        )
        for name in ("ana", "leo")
    )

    assert (first.state, first.action, first.created_by) == (
        JobState.DRAFT,
        "create",
        first.created_by,
    )
    assert first.options["prefix"] == first.code.hex[:12]
    assert first.options["prefix"] != second.options["prefix"]


def test_new_mapping_makes_the_check_void_and_keeps_the_prefix(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    prefix = job.options["prefix"]

    drafts.set_mapping(
        job,
        {"external_id": "external_id"},
        Options(blank="clear", prefix="forged"),
        by=None,
    )

    assert (job.state, job.checked_fingerprint, job.mapping) == (
        JobState.DRAFT,
        "",
        {"external_id": "external_id"},
    )
    assert (job.options["blank"], job.options["prefix"]) == ("clear", prefix)


def test_launched_job_cannot_be_mapped_pointed_elsewhere_or_thrown_away(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)

    with pytest.raises(NotPossibleNow):
        drafts.set_mapping(job, {}, Options(), by=None)
    with pytest.raises(NotPossibleNow):
        drafts.set_target(job, job.connection, "gadget", "create", by=None)
    with pytest.raises(NotPossibleNow):
        drafts.discard(job)
    with pytest.raises(NotPossibleNow):
        checker.start(job, by=None)
    job.refresh_from_db()
    assert (job.state, job.action) == (JobState.QUEUED, Action.UPSERT_BY_EXTERNAL_ID)


def test_new_file_takes_the_place_of_the_old_one(
    gadget: CustomObject, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    old, new = job.file, make_file("id\n1\n")

    with django_capture_on_commit_callbacks(execute=True):
        drafts.set_target(job, job.connection, "gadget", "delete", new, by=None)

    assert (job.file, job.action, job.mapping, job.state) == (
        new,
        "delete",
        {},
        JobState.DRAFT,
    )
    assert not File.objects.filter(pk=old.pk).exists()
    assert not default_storage.exists(old.stored_as)
    assert default_storage.exists(new.stored_as)


def test_discard_takes_the_file_along_unless_another_job_has_it(
    gadget: CustomObject, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    other = drafts.create_draft(
        gadget.connection, "gadget", "create", job.file, by=None
    )

    with django_capture_on_commit_callbacks(execute=True):
        drafts.discard(job)
    assert default_storage.exists(other.file.stored_as)

    with django_capture_on_commit_callbacks(execute=True):
        drafts.discard(other)
    assert not default_storage.exists(other.file.stored_as)
    assert (Job.objects.count(), File.objects.count()) == (0, 0)


def test_launch_queues_once(gadget: CustomObject) -> None:
    job = checked(gadget)
    twin = Job.objects.get(pk=job.pk)

    actions.launch(job, by=None)
    with pytest.raises(NotPossibleNow):
        actions.launch(twin, by=None)
    with pytest.raises(NotPossibleNow):
        actions.launch(job, by=None)

    assert (job.state, job.rows, job.pending) == (JobState.QUEUED, 3, 3)
    assert kinds(job).count(EventKind.LAUNCHED) == 1


def test_job_not_checked_is_not_launched(gadget: CustomObject) -> None:
    job = make_job(ROWS, to=gadget)

    with pytest.raises(NotPossibleNow, match="Check this job first"):
        actions.launch(job, by=None)


def test_job_with_problems_is_launched_only_with_leave_to_skip_them(
    gadget: CustomObject,
) -> None:
    job = checked(gadget, invalid="stop")
    with pytest.raises(NotPossibleNow, match="1 invalid row"):
        actions.launch(job, by=None)

    drafts.set_invalid_rows(job, "skip")
    actions.launch(job, by=None)

    assert job.state == JobState.QUEUED


def test_job_whose_rows_all_have_problems_is_not_launched(gadget: CustomObject) -> None:
    job = checked(gadget, "external_id,price\ng-1,x\n")

    with pytest.raises(NotPossibleNow, match="all rows are invalid"):
        actions.launch(job, by=None)


def test_fields_changed_in_zendesk_send_the_job_back(
    gadget: CustomObject, sandbox: Sandbox
) -> None:
    job = checked(gadget)
    sandbox.make_object("gadget", fields=GADGET[:3])

    with pytest.raises(ChangedSinceCheck):
        actions.launch(job, by=None)

    assert (job.state, job.checked_fingerprint) == (JobState.DRAFT, "")


def test_changed_fields_are_not_blessed_by_choosing_to_skip_problems(
    gadget: CustomObject, sandbox: Sandbox
) -> None:
    job = checked(gadget, invalid="stop")
    sandbox.make_object("gadget", fields=GADGET[:3])
    objects.refresh(gadget)

    drafts.set_invalid_rows(job, "skip")

    with pytest.raises(ChangedSinceCheck):
        actions.launch(job, by=None)


def test_file_that_is_gone_sends_the_job_back(gadget: CustomObject) -> None:
    job = checked(gadget)
    job.file.delete_content()

    with pytest.raises(ChangedSinceCheck):
        actions.launch(job, by=None)


def test_launch_from_another_host_leaves_the_file_to_planning(
    gadget: CustomObject, settings: Settings
) -> None:
    job = checked(gadget)
    job.file.delete_content()
    settings.STORAGE_ID = "web2-2c3d"

    actions.launch(job, by=None)

    assert job.state == JobState.QUEUED


def test_file_on_another_host_waits_for_the_sweep_there(
    gadget: CustomObject, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    here, settings.STORAGE_ID = settings.STORAGE_ID, "web2-2c3d"
    drafts.discard(job)
    File.objects.update(created_at=timezone.now() - timedelta(days=8))
    sweep.sweep()
    left = (
        File.objects.filter(pk=job.file.pk).exists(),
        default_storage.exists(job.file.stored_as),
    )

    settings.STORAGE_ID = here
    with django_capture_on_commit_callbacks(execute=True):
        sweep.sweep()

    assert left == (True, True)
    assert (File.objects.count(), default_storage.exists(job.file.stored_as)) == (
        0,
        False,
    )


def test_launch_without_zendesk_says_why_and_leaves_the_job_ready(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    Connection.objects.update(host="127.0.0.1:1")
    job = Job.objects.get(pk=job.pk)

    with pytest.raises(
        NotPossibleNow, match="could not be refreshed before the launch"
    ):
        actions.launch(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.READY


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        (JobState.DRAFT, {"discard"}),
        (JobState.CHECKING, {"discard"}),
        (JobState.READY, {"discard", "launch"}),
        (JobState.QUEUED, {"adjust", "pause", "cancel"}),
        (JobState.RUNNING, {"adjust", "pause", "cancel"}),
        (JobState.PAUSING, {"adjust", "resume", "cancel"}),
        (JobState.PAUSED, {"adjust", "resume", "cancel"}),
        (JobState.CANCELLING, set()),
        (JobState.CANCELLED, set()),
        (JobState.FAILED, set()),
        (JobState.NEEDS_DECISION, {"resolve"}),
        (JobState.COMPLETED, set()),
    ],
)
def test_may_says_what_can_be_asked_and_nothing_else_is_done(
    state: JobState, verbs: set[str]
) -> None:
    job = in_state(state, make_connection())
    asked: dict[str, Callable[..., object]] = {
        "pause": actions.pause,
        "resume": actions.resume,
        "cancel": actions.cancel,
        "retry": retries.create_retry,
        "adjust": partial(
            actions.set_run_settings, run_settings=RunSettings(weight=Weight.HIGH)
        ),
    }

    assert set(actions.may(job)) == verbs
    for verb in set(asked) - verbs:
        with pytest.raises(NotPossibleNow):
            asked[verb](job, by=None)
    job.refresh_from_db()
    assert (job.state, job.weight) == (state, Weight.NORMAL)


def test_may_says_how_many_rows_it_is_about(gadget: CustomObject) -> None:
    job = checked(gadget)
    assert actions.may(job) == {"launch": 2, "discard": 2}

    actions.launch(job, by=None)
    assert actions.may(job) == {"adjust": 2, "pause": 2, "cancel": 2}
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    assert actions.may(job) == {"adjust": 2, "pause": 2, "cancel": 2}
    settled(job, end(Outcome.FAILED), end(Outcome.UNCERTAIN))
    assert actions.may(job) == {"resolve": 1}
    actions.resolve(job, "accept", by=None)
    assert actions.may(job) == {"retry": 1}


def test_launch_keeps_how_the_job_is_to_run(gadget: CustomObject) -> None:
    job = checked(gadget)
    rules = RunSettings(Weight.LOW, stop_percent=5, stop_rows=500, stop_refusals=None)

    actions.launch(job, by=None, hold_after_first_batch=True, run_settings=rules)

    job.refresh_from_db()
    assert (job.hold_after_first_batch, job.run_settings) == (True, rules)
    launched = job.events.get(kind=EventKind.LAUNCHED)
    assert launched.facts == {"hold_after_first_batch": True}


def test_rules_change_while_the_job_runs_and_say_so_once(gadget: CustomObject) -> None:
    job, ana = planned(gadget), make_user("ana")
    rules = RunSettings(Weight.HIGH, stop_percent=5, stop_rows=500, stop_refusals=3)

    actions.set_run_settings(job, rules, by=ana)
    actions.set_run_settings(job, rules, by=ana)

    job.refresh_from_db()
    assert job.run_settings == rules
    changed = job.events.get(kind=EventKind.SETTINGS_CHANGED)
    assert changed.by == ana
    assert changed.facts == {
        "weight": 16,
        "stop_percent": 5,
        "stop_rows": 500,
        "stop_refusals": 3,
    }


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (RunSettings(), "Priority normal; never pauses automatically."),
        (
            RunSettings(Weight.LOW, stop_percent=5, stop_rows=99),
            "Priority low; pauses automatically when 5 % of its last 99 rows fail.",
        ),
        (
            RunSettings(stop_refusals=1),
            "Priority normal; pauses automatically when Zendesk refuses 1 request in a row.",
        ),
    ],
)
def test_rules_are_told_in_words(rules: RunSettings, words: str) -> None:
    assert str(rules) == words


def kinds(job: Job) -> list[str]:
    """The kinds of its events, oldest first."""
    return list(job.events.order_by("pk").values_list("kind", flat=True))


def awaiting_approval(to: CustomObject) -> Job:
    """A job of three rows as its driver leaves it when its first batch of two is
    over."""
    job = planned(to, "external_id\ng-1\ng-2\ng-3\n")
    Job.objects.filter(pk=job.pk).update(
        state=JobState.PAUSED,
        hold_after_first_batch=True,
        batches_done=1,
        created_or_updated=2,
        started_at=to.read_at,
        reason="Look.",
    )
    job.refresh_from_db()
    return job


def test_resume_of_a_job_that_waits_for_approval_approves_of_the_rest(
    gadget: CustomObject,
) -> None:
    job = awaiting_approval(gadget)
    assert actions.may(job) == {"adjust": 1, "resume": 1, "cancel": 1}

    actions.resume(job, by=None)

    assert (job.state, job.hold_after_first_batch, job.reason) == (
        JobState.RUNNING,
        False,
        "",
    )
    approved = job.events.get(kind=EventKind.APPROVED)
    assert approved.facts == {"rows": 1}


def test_resume_before_the_first_batch_is_over_approves_of_nothing(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    actions.launch(job, by=None, hold_after_first_batch=True)
    actions.pause(job, by=None)

    actions.resume(job, by=None)

    assert (job.state, job.hold_after_first_batch) == (JobState.QUEUED, True)
    assert kinds(job)[-1] == EventKind.RESUMED


def test_pause_with_nothing_in_flight_and_no_driver_pauses_at_once(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)

    actions.pause(job, by=None)

    assert job.state == JobState.PAUSED


def test_pause_under_a_driver_leaves_the_rest_to_it(gadget: CustomObject) -> None:
    job = planned(gadget)

    with leases.held(f"account:{job.connection.host}"):
        actions.pause(job, by=None)

    assert job.state == JobState.PAUSING


def test_pause_waits_for_what_is_in_flight(gadget: CustomObject) -> None:
    job = planned(gadget)
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)

    actions.pause(job, by=None)

    assert job.state == JobState.PAUSING


def test_resume_goes_on_where_the_job_was(gadget: CustomObject) -> None:
    queued = in_state(JobState.PAUSED, gadget.connection)
    begun = in_state(
        JobState.PAUSED,
        gadget.connection,
        started_at=gadget.read_at,
        reason="Zendesk refused: no.",
    )

    actions.resume(queued, by=None)
    actions.resume(begun, by=None)

    assert (queued.state, begun.state, begun.reason) == (
        JobState.QUEUED,
        JobState.RUNNING,
        "",
    )


def test_cancel_tells_every_row_that_was_not_sent(gadget: CustomObject) -> None:
    job = planned(gadget)

    actions.cancel(job, by=None)

    assert (job.state, job.counts["cancelled"], job.invalid, job.pending) == (
        JobState.CANCELLED,
        2,
        1,
        0,
    )
    assert list(Batch.objects.values_list("state", "cancelled")) == [("cancelled", 2)]


def test_cancel_of_a_job_not_planned_ends_with_its_planner(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    actions.launch(job, by=None)

    actions.cancel(job, by=None)
    assert job.state == JobState.CANCELLING
    planner.plan(job, stopping=threading.Event())

    job.refresh_from_db()
    assert (job.state, job.counts["cancelled"], job.pending) == (
        JobState.CANCELLED,
        3,
        0,
    )


def test_retry_is_a_child_with_the_same_mapping_and_prefix_being_checked(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    actions.set_run_settings(job, RunSettings(Weight.LOW, stop_percent=7), by=None)
    settled(job, end(Outcome.FAILED), end(Outcome.CREATED_OR_UPDATED))
    assert actions.may(job) == {"retry": 1}

    child = retries.create_retry(job, by=None)

    assert (child.parent, child.cause, child.state, child.file) == (
        job,
        None,
        JobState.CHECKING,
        job.file,
    )
    assert (child.mapping, child.options, child.run_settings) == (
        job.mapping,
        job.options,
        job.run_settings,
    )


def test_retry_asked_twice_is_one_child_and_once_launched_no_other(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    settled(job, end(Outcome.FAILED), end(Outcome.CREATED_OR_UPDATED))

    child = retries.create_retry(job, by=None)
    assert retries.create_retry(job, by=None) == child
    checker.check(child, stopping=threading.Event())
    child.refresh_from_db()
    actions.launch(child, by=None)

    assert actions.may(job) == {}
    with pytest.raises(NotPossibleNow):
        retries.create_retry(job, by=None)


def failed_of_three_causes(to: CustomObject) -> tuple[Job, dict[str, Cause]]:
    """A job of six rows: three failed for A, one for B, one for C; and its causes."""
    job = planned(to, "external_id\n" + "".join(f"g-{n}\n" for n in range(1, 7)))
    codes = ("A", "B", "A", "C", "A")
    settled(
        job,
        *(RowResult(Outcome.FAILED, code=code, message=f"{code}!") for code in codes),
        end(Outcome.CREATED_OR_UPDATED),
    )
    return job, {cause.code: cause for cause in job.causes.all()}


def rows_of(retry: Job) -> list[int]:
    with file_reading.open_rows(retry.file) as table:
        return [number for number, _ in checker.rows_of(retry, table)]


def checked_retry(job: Job, cause: Cause | None = None) -> Job:
    child = retries.create_retry(job, by=None, cause=cause)
    checker.check(child, stopping=threading.Event())
    child.refresh_from_db()
    return child


def launched_retry(job: Job, cause: Cause | None = None) -> Job:
    child = checked_retry(job, cause)
    actions.launch(child, by=None)
    return child


def test_retry_of_one_cause_has_its_rows_alone(gadget: CustomObject) -> None:
    job, causes = failed_of_three_causes(gadget)

    child = checked_retry(job, causes["A"])

    assert (child.cause, child.rows, rows_of(child)) == (causes["A"], 3, [2, 4, 6])
    assert retries.create_retry(job, by=None, cause=causes["A"]) == child
    assert retries.create_retry(job, by=None, cause=causes["B"]) != child


def test_what_is_left_to_retry_shrinks(gadget: CustomObject) -> None:
    job, causes = failed_of_three_causes(gadget)
    a, b, c = (causes[code].pk for code in "ABC")
    assert (actions.may(job), retries.retriable_causes(job)) == (
        {"retry": 5},
        {a: 3, b: 1, c: 1},
    )

    draft = checked_retry(job, causes["A"])
    assert actions.may(job) == {"retry": 5}
    actions.launch(draft, by=None)
    assert (actions.may(job), retries.retriable_causes(job)) == (
        {"retry": 2},
        {b: 1, c: 1},
    )

    rest = launched_retry(job)
    assert (actions.may(job), retries.retriable_causes(job)) == ({}, {})
    assert (rest.cause, rest.rows, rows_of(rest), rows_of(draft)) == (
        None,
        2,
        [3, 5],
        [2, 4, 6],
    )


def test_rows_that_a_retry_has_taken_are_in_no_other(gadget: CustomObject) -> None:
    job, causes = failed_of_three_causes(gadget)
    everything, same = checked_retry(job), checked_retry(job, causes["A"])
    launched_retry(job, causes["B"])

    with pytest.raises(ChangedSinceCheck, match="rows left to retry"):
        actions.launch(everything, by=None)
    checker.start(everything, by=None)
    checker.check(everything, stopping=threading.Event())
    everything.refresh_from_db()
    actions.launch(everything, by=None)

    assert rows_of(everything) == [2, 4, 5, 6]
    with pytest.raises(
        NotPossibleNow, match="Another retry already contains these rows"
    ):
        actions.launch(same, by=None)
    with pytest.raises(NotPossibleNow):
        retries.create_retry(job, by=None, cause=causes["C"])
    same.refresh_from_db()
    assert same.state == JobState.READY


def test_retry_launched_by_two_at_once_is_launched_by_one(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, causes = failed_of_three_causes(gadget)
    everything, some = checked_retry(job), checked_retry(job, causes["A"])
    refresh = objects.refresh

    def meanwhile(custom_object: CustomObject) -> CustomObject:
        """While the fields are read again for the one, the other is launched."""
        monkeypatch.setattr(objects, "refresh", refresh)
        actions.launch(some, by=None)
        return refresh(custom_object)

    monkeypatch.setattr(objects, "refresh", meanwhile)
    with pytest.raises(ChangedSinceCheck):
        actions.launch(everything, by=None)

    assert list(job.retries.launched()) == [some]


def test_cause_that_is_not_of_failed_rows_is_not_retried(gadget: CustomObject) -> None:
    job = planned(gadget)
    settled(job, end(Outcome.FAILED), end(Outcome.CREATED_OR_UPDATED))
    invalid = job.causes.get(phase=Cause.Phase.SEND, code="not_a_number")
    other, _ = failed_of_three_causes(gadget)

    with pytest.raises(NotPossibleNow):
        retries.create_retry(job, by=None, cause=invalid)
    with pytest.raises(NotPossibleNow):
        retries.create_retry(other, by=None, cause=job.causes.get(code="C"))


def test_retry_with_another_file_is_of_no_cause(gadget: CustomObject) -> None:
    job, causes = failed_of_three_causes(gadget)
    child = checked_retry(job, causes["A"])

    drafts.set_target(
        child,
        child.connection,
        "gadget",
        "create",
        make_file("external_id\n1\n"),
        by=None,
    )

    assert (child.parent, child.cause) == (None, None)


def test_retry_whose_mapping_works_no_more_is_a_draft_with_the_reason(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    settled(job, end(Outcome.FAILED), end(Outcome.CREATED_OR_UPDATED))
    CustomObject.objects.update(fields=GADGET[:2])

    child = retries.create_retry(job, by=None)

    assert (child.state, child.reason) == (
        JobState.DRAFT,
        "This action cannot fill price.",
    )


def test_uncertain_rows_wait_for_a_decision_and_may_be_accepted(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    batch = settled(job, end(Outcome.UNCERTAIN), end(Outcome.CREATED_OR_UPDATED))
    assert (job.state, actions.may(job), batch.state) == (
        JobState.NEEDS_DECISION,
        {"resolve": 1},
        BatchState.UNCERTAIN,
    )

    actions.resolve(job, "accept", by=None)

    assert (job.state, job.uncertain, job.pending) == (JobState.COMPLETED, 1, 0)
    assert RowError.objects.filter(job=job, outcome=Outcome.UNCERTAIN).count() == 1


@pytest.mark.parametrize(
    ("decision", "state"),
    [("check_again", BatchState.UNCONFIRMED), ("resend", BatchState.PLANNED)],
)
def test_uncertain_rows_are_opened_again(
    gadget: CustomObject, decision: str, state: BatchState
) -> None:
    job = planned(gadget)
    batch = settled(job, end(Outcome.UNCERTAIN), end(Outcome.CREATED_OR_UPDATED))

    actions.resolve(job, decision, by=None)

    batch.refresh_from_db()
    assert (batch.state, batch.uncertain, batch.succeeded, batch.done_at) == (
        state,
        0,
        1,
        None,
    )
    assert [
        entry and entry[0] for entry in BatchBlob.objects.get(batch=batch).row_results
    ] == [None, "created_or_updated"]
    job.refresh_from_db()
    assert (job.state, job.uncertain, job.pending, job.batches_done) == (
        JobState.RUNNING,
        0,
        1,
        0,
    )
    assert job.finished_at is None
    assert not RowError.objects.filter(job=job, outcome=Outcome.UNCERTAIN).exists()
    assert list(
        Cause.objects.filter(job=job, phase=Cause.Phase.SEND).values_list(
            "code", flat=True
        )
    ) == ["not_a_number"]


def test_decision_is_taken_once_and_must_be_one_of_the_three(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    settled(job, end(Outcome.UNCERTAIN), end(Outcome.UNCERTAIN))
    twin = Job.objects.get(pk=job.pk)

    with pytest.raises(NotPossibleNow):
        actions.resolve(job, "forget", by=None)
    actions.resolve(job, "accept", by=None)
    with pytest.raises(NotPossibleNow):
        actions.resolve(twin, "resend", by=None)

    assert list(Batch.objects.values_list("state", flat=True)) == [BatchState.UNCERTAIN]


def test_open_jobs_keep_a_connection_in_use() -> None:
    connection = make_connection()
    job = in_state(JobState.READY, connection)
    assert not actions.has_open_jobs(connection)

    Job.objects.filter(pk=job.pk).update(state=JobState.PAUSED)
    assert actions.has_open_jobs(connection)
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED)
    assert not actions.has_open_jobs(connection)
