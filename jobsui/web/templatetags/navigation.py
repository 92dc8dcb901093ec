"""The ways through the pages: the main menu, and the steps of the wizard."""

from dataclasses import dataclass

from django import template
from django.template import Context
from django.urls import reverse

from jobsui.access import policy
from jobsui.access.policy import Act
from jobsui.jobs.control import comparisons
from jobsui.jobs.models import Job

register = template.Library()

# (view, icon, label)
NEW_JOB = ("jobs:new", "plus", "New job")
NOTIFICATIONS = ("notifications:list", "send", "Notifications")
NAVIGATION = (
    ("home", "home", "Home"),
    ("jobs:list", "list-details", "Jobs"),
    NEW_JOB,
    ("objects:list", "database", "Objects"),
    ("connections:list", "plug-connected", "Connections"),
    ("tokens:list", "key", "API tokens"),
)
APPROVALS = ("approvals", "circle-check", "Approvals")
ADMINISTRATION = (
    ("people:list", "users", "People"),
    ("audit:list", "shield-lock", "Audit log"),
    ("storage", "trash", "Storage"),
    ("django_rq:home", "hourglass", "Background tasks"),
)
COMPARE_STEP = ("jobs:compare", "Compare")
WIZARD_STEPS = (
    ("jobs:upload", "Upload"),
    ("jobs:map", "Map columns"),
    ("jobs:check", "Check"),
    COMPARE_STEP,
    ("jobs:review", "Review"),
)


@dataclass(frozen=True, slots=True)
class NavigationLink:
    address: str
    icon: str
    label: str
    is_current: bool


@register.inclusion_tag("includes/navigation.html", takes_context=True)
def navigation(context: Context) -> dict[str, list[NavigationLink]]:
    """The main menu. The current link is the longest one that begins the address."""
    request = context["request"]
    entries = [*NAVIGATION]
    if not policy.allows_somewhere(request.user, Act.RUN):
        entries.remove(NEW_JOB)
    if policy.allows_somewhere(request.user, Act.APPROVE):
        entries.append(APPROVALS)
    if policy.allows_somewhere(request.user, Act.MANAGE):
        entries.append(NOTIFICATIONS)
    if policy.is_administrator(request.user):
        entries += ADMINISTRATION
    addresses = {view: reverse(view) for view, _, _ in entries}
    home = addresses["home"]
    above = [
        address
        for address in addresses.values()
        if address != home and request.path.startswith(address)
    ]
    current = max(above, key=len, default=home if request.path == home else "")
    links = [
        NavigationLink(addresses[view], icon, label, addresses[view] == current)
        for view, icon, label in entries
    ]
    return {"links": links}


@dataclass(frozen=True, slots=True)
class WizardStep:
    label: str
    address: str
    """"" for a step that cannot be opened yet."""
    is_current: bool
    is_done: bool


@register.inclusion_tag("wizard/steps.html")
def wizard_steps(current: str, job: Job | None = None) -> dict[str, list[WizardStep]]:
    """The steps of the wizard. `current` is the view of the current step."""
    is_compared = job is None or comparisons.is_possible(job)
    taken = [step for step in WIZARD_STEPS if is_compared or step != COMPARE_STEP]
    position = [view for view, _ in taken].index(current)
    steps = []
    for index, (view, label) in enumerate(taken):
        is_done = index < position
        address = reverse(view, args=[job.code]) if job and is_done else ""
        steps.append(WizardStep(label, address, index == position, is_done))
    return {"steps": steps}
