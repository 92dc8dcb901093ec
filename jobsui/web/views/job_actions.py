"""The actions of the buttons on a job's page. Each one redirects to this page, with a
message. An action that cannot be undone asks for confirmation first."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jobsui import paging
from jobsui.access import lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.jobs.control import actions, retries, uncertain_rows
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import JobsError
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job
from jobsui.jobs.reports import job_progress, shared_records
from jobsui.text import counted
from jobsui.web import confirmation
from jobsui.web.addresses import post_only
from jobsui.web.confirmation import Confirmation
from jobsui.web.forms.jobs import RunSettingsForm
from jobsui.web.http import HtmxRequest, limited

CHECK_AGAIN = "check_again"
RESEND = "resend"
ACCEPT = "accept"
DECIDED = {
    CHECK_AGAIN: "Checking the uncertain rows in Zendesk again.",
    RESEND: "Resending the uncertain rows.",
    ACCEPT: "The uncertain rows are accepted as unknown.",
}
"""{decision about uncertain rows: what the page says after it}."""


@post_only
def pause(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code, Act.RUN)
    done = f"Pause requested. {_still_to_come(job)}"
    return _act(request, code, actions.pause, done)


@post_only
def resume(request: HtmxRequest, code: UUID) -> HttpResponse:
    job = lookup.job(request.user, code, Act.RUN)
    approved = f"Approved. Sending {counted(job.to_send, 'row')}."
    done = approved if job.is_held_after_first_batch else "Resumed."
    return _act(request, code, actions.resume, done)


@require_http_methods(["GET", "POST"])
def cancel(request: HtmxRequest, code: UUID) -> HttpResponse:
    if request.method == "GET":
        return _ask(request, code, "cancel", _cancel_question)
    job = lookup.job(request.user, code, Act.RUN)
    done = f"Cancel requested. {_still_to_come(job)}"
    return _act(request, code, actions.cancel, done)


@require_http_methods(["GET", "POST"])
def stop_waiting(request: HtmxRequest, code: UUID) -> HttpResponse:
    if request.method == "GET":
        return _ask(request, code, "stop_waiting", _stop_waiting_question)
    done = "Stopped waiting. The rows without a result are uncertain."
    return _act(request, code, uncertain_rows.stop_waiting, done)


@require_http_methods(["GET", "POST"])
def resolve(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Decide about uncertain rows. A decision that cannot be undone asks for
    confirmation first."""
    if request.method == "GET":
        asked = request.GET.get("decision", "")
        if asked == RESEND and not uncertain_rows.may_resend(
            lookup.job(request.user, code, Act.RUN)
        ):
            return redirect("jobs:detail", code)
        return _ask(request, code, "resolve", QUESTIONS.get(asked))
    decision = request.POST.get("decision", "")

    def decide(job: Job, *, by: User) -> None:
        uncertain_rows.resolve(job, decision, by=by)

    return _act(request, code, decide, DECIDED.get(decision, ""))


@post_only
@limited(Limited.LAUNCH)
def retry(request: HtmxRequest, code: UUID) -> HttpResponse:
    """A new job of all failed rows, or of those of one cause."""
    job = lookup.job(request.user, code, Act.RUN)
    chosen = paging.parse_integer(request.POST.get("cause", ""))
    cause = lookup.cause(request.user, code, chosen) if chosen else None
    rows = (
        retries.retriable_causes(job).get(cause.pk, 0)
        if cause
        else retries.retriable_rows(job)
    )
    try:
        child = retries.create_retry(job, by=request.user, cause=cause)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    failed = counted(rows, "failed row")
    messages.success(request, f"Retry created with {failed}. Checking them first.")
    return redirect("jobs:check", child.code)


@post_only
@limited(Limited.LAUNCH)
def continue_unsent(request: HtmxRequest, code: UUID) -> HttpResponse:
    """A new job of the rows that a cancelled or failed job did not send."""
    job = lookup.job(request.user, code, Act.RUN)
    rows = counted(retries.unsent_rows(job), "row")
    try:
        child = retries.create_continuation(job, by=request.user)
    except JobsError as refusal:
        messages.error(request, str(refusal))
        return redirect("jobs:detail", code)
    messages.success(
        request, f"Job created with {rows} that were not sent. Checking them first."
    )
    return redirect("jobs:check", child.code)


@require_http_methods(["GET", "POST"])
def run_settings(request: HtmxRequest, code: UUID) -> HttpResponse:
    """Change how a launched job runs, until it has finished."""
    job = lookup.job(request.user, code, Act.RUN)
    if "adjust" not in actions.may(job):
        return redirect("jobs:detail", code)
    form = RunSettingsForm(request.POST or None, initial=job.run_settings.columns)
    if request.method == "POST" and form.is_valid():

        def change(job: Job, *, by: User) -> None:
            actions.set_run_settings(job, form.run_settings(), by=by)

        return _act(request, code, change, "Settings saved.")
    return render(request, "jobs/run_settings.html", {"job": job, "form": form})


def _ask(
    request: HtmxRequest,
    code: UUID,
    verb: str,
    question: Callable[[Job], Confirmation] | None,
) -> HttpResponse:
    """Ask for confirmation. If there is no question, or the action is not possible now,
    show the job."""
    job = lookup.job(request.user, code, Act.RUN)
    if question is None or verb not in actions.may(job):
        return redirect("jobs:detail", code)
    return confirmation.ask(request, question(job))


def _act(
    request: HtmxRequest, code: UUID, act: Callable[..., None], done: str
) -> HttpResponse:
    """Do it. The job's page then says so, or why it was not possible."""
    job = lookup.job(request.user, code, Act.RUN)
    try:
        act(job, by=request.user)
    except JobsError as refusal:
        messages.info(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("jobs:detail", code)


def _still_to_come(job: Job) -> str:
    """What happens to a job that sends no more batches."""
    in_flight = job_progress.progress(job).in_flight
    if not in_flight:
        return "No batch is in flight."
    return f"{counted(in_flight, 'in-flight batch')} will finish."


def _cancel_question(job: Job) -> Confirmation:
    now = job_progress.progress(job)
    effects = []
    if job.succeeded:
        effects.append(_done_so_far(job))
    if now.in_flight:
        batches = counted(now.in_flight, "in-flight batch")
        rows = counted(now.rows_in_flight, "row")
        effects.append(
            f"{batches} ({rows}) will finish. Sent records cannot be recalled."
        )
    unsent = job.to_send - now.rows_in_flight
    if unsent > 0:
        rows = counted(unsent, "row")
        effects.append(f"{rows} will not be sent. A new job can send them later.")
    else:
        effects.append("Every row has already been sent.")
    return Confirmation(
        question="Cancel this job?",
        effects=effects,
        button="Cancel job",
        icon="ban",
        keep="Keep the job",
        subject=str(job.file),
        back=_page(job),
    )


def _stop_waiting_question(job: Job) -> Confirmation:
    number = actions.may(job)["stop_waiting"]
    rows = counted(number, "row")
    return Confirmation(
        question=f"Stop waiting for {rows}?",
        effects=(
            f"{rows} without a result become uncertain. Zendesk may have saved them, or may "
            "still save them.",
            *_late_values(job),
            _after_waiting(job, job.to_send - number),
        ),
        button="Stop waiting",
        icon="hourglass",
        keep="Keep waiting",
        subject=str(job.file),
        back=_page(job),
    )


def _late_values(job: Job) -> tuple[str, ...]:
    """What the rows may do to the records of later jobs, which no longer wait for them."""
    later = shared_records.launched_since(job)
    if not later:
        return ()
    names = shared_records.names(later)
    return (
        f"Jobs launched since then change the same records: {names}. They no longer wait, "
        "so these rows may overwrite their values.",
    )


def _after_waiting(job: Job, unsent: int) -> str:
    """What the job does then, with this many rows that were not sent."""
    if job.state == JobState.CANCELLING:
        return "The job is then cancelled. You can check its uncertain rows again."
    if not unsent:
        return "You can then check these rows again, resend or accept them."
    if job.state == JobState.PAUSING:
        return "The job is then paused. You can resume or cancel it."
    return "The job sends its other rows."


def _done_so_far(job: Job) -> str:
    """What a cancelled job does not undo."""
    records = counted(job.succeeded, "record")
    if Action(job.action).deletes:
        return f"Already deleted from Zendesk: {records}."
    return f"Already saved and kept in Zendesk: {records}."


def _resend_question(job: Job) -> Confirmation:
    rows = counted(job.uncertain, "row")
    return Confirmation(
        question=f"Resend {rows}?",
        effects=(
            "Jobs UI could not confirm whether Zendesk saved these rows.",
            _resend_risk(job),
            *_newer_values(job),
        ),
        button=f"Resend {rows}",
        icon="send",
        keep="Don't resend",
        fields={"decision": RESEND},
        subject=str(job.file),
        back=_page(job),
    )


def _resend_risk(job: Job) -> str:
    """What happens to the records that Zendesk saved the first time."""
    action = Action(job.action)
    if action.deletes:
        return "Records that were already deleted stay deleted."
    if action.is_repeatable:
        return (
            "Records get the values of these rows again. What others have changed in "
            "these fields since then is overwritten."
        )
    has_keys = Options.from_json(job.options).generate_external_ids
    if has_keys and not job.file.is_raw_items:
        return "Rows that were already saved are not saved twice: their external ID is taken."
    return f"Up to {job.uncertain:,} may become duplicates. This cannot be undone."


def _newer_values(job: Job) -> tuple[str, ...]:
    """What later jobs wrote into the same records."""
    later = shared_records.launched_since(job)
    if not later:
        return ()
    names = shared_records.names(later)
    return (f"Jobs launched since then change the same records: {names}.",)


def _accept_question(job: Job) -> Confirmation:
    rows = counted(job.uncertain, "row")
    state = job.get_state_display().lower()
    keeps = f"The job stays {state} with {rows} whose result is uncertain."
    completes = f"The job completes with {rows} whose result is uncertain."
    return Confirmation(
        question=f"Accept {rows} as unknown?",
        effects=(
            keeps if job.is_over else completes,
            "You can no longer check or resend them from this job.",
        ),
        button=f"Accept {rows} as unknown",
        icon="check",
        keep="Decide later",
        fields={"decision": ACCEPT},
        subject=str(job.file),
        back=_page(job),
    )


def _page(job: Job) -> str:
    return reverse("jobs:detail", args=[job.code])


QUESTIONS = {RESEND: _resend_question, ACCEPT: _accept_question}
"""{decision about uncertain rows that cannot be undone: its question}."""
