"""Approvals: what waits for one, the decision, and the rules of a connection."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from jobsui.access import lookup, policy
from jobsui.access.policy import Act
from jobsui.jobs.control import approvals
from jobsui.jobs.errors import NotPossibleNow
from jobsui.web import job_table
from jobsui.web.addresses import post_only
from jobsui.web.forms.approvals import ApprovalRulesForm, DecisionForm
from jobsui.web.http import HtmxRequest

MAX_WAITING = 100
EMPTY = "Approval rules on the page of a connection say which jobs do."
NO_REASON = "Say in the comment why you reject the job."
PROPOSED: dict[str, Any] = {"deletes": True, "max_rows": 10_000, "max_percent": 10}
"""For the rules of a production connection that has none. Nothing is stored before they are
saved."""


@require_safe
def waiting(request: HtmxRequest) -> HttpResponse:
    policy.require_somewhere(request.user, Act.APPROVE)
    table = job_table.approvals(lookup.approvals(request.user)[:MAX_WAITING])
    page = {"table": table, "empty_text": EMPTY}
    return render(request, "approvals/list.html", page)


@post_only
def approve(request: HtmxRequest, code: UUID) -> HttpResponse:
    return _decide(request, code, is_approved=True)


@post_only
def reject(request: HtmxRequest, code: UUID) -> HttpResponse:
    return _decide(request, code, is_approved=False)


def _decide(request: HtmxRequest, code: UUID, *, is_approved: bool) -> HttpResponse:
    job = lookup.draft_or_job(request.user, code, Act.APPROVE)
    form = DecisionForm(request.POST)
    comment = form.cleaned_data.get("comment", "") if form.is_valid() else ""
    approval = approvals.current(job)
    try:
        if approval is None or form.cleaned_data.get("approval") != approval.pk:
            raise NotPossibleNow(approvals.CHANGED)
        if is_approved:
            approvals.approve(approval, by=request.user, comment=comment)
        elif comment:
            approvals.reject(approval, by=request.user, comment=comment)
        else:
            raise NotPossibleNow(NO_REASON)
    except NotPossibleNow as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Job approved." if is_approved else "Job rejected.")
    return redirect(job_table.plan_page(job), code)


@require_http_methods(["GET", "POST"])
def rules(request: HtmxRequest, code: UUID) -> HttpResponse:
    connection = lookup.connection(request.user, code, Act.MANAGE)
    stored = approvals.rules_of(connection)
    is_proposed = connection.production and stored.is_empty
    form = ApprovalRulesForm(
        request.POST if request.method == "POST" else None,
        initial=PROPOSED if is_proposed else stored.values,
    )
    if request.method == "POST" and form.is_valid():
        approvals.set_rules(connection, form.rules)
        messages.success(request, "Approval rules saved.")
        return redirect("connections:detail", code)
    page = {
        "form": form,
        "connection": connection,
        "is_proposed": is_proposed,
        "approvers": [
            person.get_username()
            for person in policy.people_who(Act.APPROVE, connection.pk)
        ],
    }
    return render(request, "connections/approval_rules.html", page)
