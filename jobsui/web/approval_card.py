"""What the review of a job says about its approval."""

from dataclasses import dataclass

from django.contrib.auth.models import User

from jobsui.access import policy
from jobsui.access.policy import Act
from jobsui.jobs.control import approvals
from jobsui.jobs.enums import ApprovalState
from jobsui.jobs.models import Approval, Job
from jobsui.web.forms.approvals import DecisionForm

NO_APPROVER = (
    "No other active person has the role Approver for this connection. Ask an administrator to "
    "give it to somebody."
)


@dataclass(frozen=True, slots=True)
class ApprovalCard:
    reasons: list[str]
    """Why the job needs approval."""
    approval: Approval | None
    """The last one that was asked for."""
    state: str
    """Of the approval; VOID if the job has changed since; "" if none was asked for."""
    form: DecisionForm | None
    """For a person who may decide now."""
    obstacle: str
    """Why this person may not decide, as a sentence; "" if they may, or if the role is not
    theirs."""
    approvers: str
    """The names of the people who may decide."""

    @property
    def is_to_ask(self) -> bool:
        """Whether the job cannot be launched before somebody asks."""
        return self.state not in {ApprovalState.ASKED, ApprovalState.APPROVED}

    @property
    def is_asked(self) -> bool:
        return self.state == ApprovalState.ASKED

    @property
    def label(self) -> str:
        return ApprovalState(self.state).label if self.state else "Approval needed"


def of(job: Job, person: User) -> ApprovalCard | None:
    """None: the checked job needs no approval."""
    if not hasattr(job.connection, "approval_rules"):
        # Loaded with the job. Most connections have no rules.
        return None
    reasons = approvals.reasons(job)
    if not reasons:
        return None
    approval = approvals.current(job)
    state = approval.state if approval else ""
    if (
        approval
        and approval.is_open
        and not approvals.is_of_present_plan(approval, job)
    ):
        state = ApprovalState.VOID
    may_approve = policy.allows(person, Act.APPROVE, job.connection_id)
    obstacle = approvals.own_part(job, person) if may_approve else ""
    decides = state == ApprovalState.ASKED and may_approve and not obstacle
    others = [
        each.get_username()
        for each in policy.people_who(Act.APPROVE, job.connection_id)
        if not approvals.own_part(job, each)
    ]
    return ApprovalCard(
        reasons=reasons,
        approval=approval,
        state=state,
        form=DecisionForm(initial={"approval": approval.pk})
        if approval and decides
        else None,
        obstacle=obstacle,
        approvers=", ".join(others) or NO_APPROVER,
    )
