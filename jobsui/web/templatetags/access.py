"""What a person may do, so that pages offer nothing else."""

from django import template
from django.contrib.auth.models import User
from django.template import Context

from jobsui.access import factors, policy
from jobsui.access.models import ApiToken, Scope
from jobsui.access.policy import Act
from jobsui.web import browsers

register = template.Library()


@register.simple_tag(takes_context=True)
def allows(context: Context, act: str, connection_id: int | None = None) -> bool:
    """Whether the person may do it with this connection; without one, with any."""
    person = context["request"].user
    if connection_id is None:
        return policy.allows_somewhere(person, Act(act))
    return policy.allows(person, Act(act), connection_id)


@register.filter
def is_administrator(person: User) -> bool:
    return policy.is_administrator(person)


@register.filter
def needs_factor(person: User) -> bool:
    return factors.is_required(person)


@register.filter
def role(person: User) -> str:
    """What a person is in general."""
    general = policy.general_role(person)
    return general.label if general else "Roles for single connections"


@register.filter
def allowed_scope(token: ApiToken) -> Scope:
    return policy.scope(token)


@register.filter
def browser(user_agent: str) -> str:
    return browsers.browser_name(user_agent)
