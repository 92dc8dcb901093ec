"""Decides what people and programs may do. Pages and both APIs ask it, and nothing else
decides.

A person has a general role, which counts for every connection, and may have another role for
single connections, which counts there instead. Without a role for a connection, it does not
exist for them, nor does anything that belongs to it. Administrators of the server (Django's
superusers) may do everything. A program may do what the scope of its token allows, as far as
the roles of its owner allow it, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Q, prefetch_related_objects

from jobsui.access.models import ApiToken, Role, Scope
from jobsui.connections.models import Connection
from jobsui.jobs.models import ApprovalRules

Principal = User | ApiToken
"""A person, or a program, represented by its token."""
Roles = Mapping[int | None, Role]
"""{primary key of a connection: the role for it; None: the general role}."""


class Act(StrEnum):
    """What somebody does with a connection, or with what belongs to it."""

    VIEW = "view"
    SEE_BODIES = "see_bodies"
    """See requests as they were sent, with their responses."""
    RUN = "run"
    """Upload files; create, change, launch, stop, prove and undo jobs; test requests."""
    APPROVE = "approve"
    """Approve jobs of others; send test requests that write, where jobs need approval."""
    MANAGE = "manage"
    """Change the connection and its secrets, or remove it."""


@dataclass(frozen=True, slots=True)
class Need:
    role: Role
    """The least role of a person."""
    scope: Scope | None
    """The least scope of a program, whose owner needs the role. None: only people may."""


NEEDS: Mapping[Act, Need] = {
    Act.VIEW: Need(Role.VIEWER, Scope.READ),
    Act.SEE_BODIES: Need(Role.OPERATOR, Scope.READ),
    Act.RUN: Need(Role.OPERATOR, Scope.RUN),
    Act.APPROVE: Need(Role.APPROVER, None),
    Act.MANAGE: Need(Role.ADMINISTRATOR, Scope.ADMIN),
}


def act_of_request(connection: Connection, *, writes: bool) -> Act:
    """What a test request needs. One that writes could go around the rules of approval."""
    has_rules = ApprovalRules.objects.filter(connection=connection).exists()
    return Act.APPROVE if writes and has_rules else Act.RUN


class NotAllowed(PermissionDenied):
    """Its text is a sentence for people."""


def allows(who: Principal, act: Act, connection_id: int) -> bool:
    """`connection_id`: the primary key."""
    if isinstance(who, ApiToken):
        return (
            _is_in_scope(who, act)
            and who.connection_id in {None, connection_id}
            and allows(who.user, act, connection_id)
        )
    if is_administrator(who):
        return True
    roles = _roles(who)
    return _suffices(roles.get(connection_id, roles.get(None)), act)


def require(who: Principal, act: Act, connection_id: int) -> None:
    """Raise NotAllowed unless somebody may do it with a connection that they see."""
    if not allows(who, act, connection_id):
        raise _refusal(who, act, "for this connection")


def allows_somewhere(who: Principal, act: Act) -> bool:
    """Whether there may be a connection with which somebody may do it."""
    if isinstance(who, ApiToken):
        if who.connection_id is not None:
            return allows(who, act, who.connection_id)
        return _is_in_scope(who, act) and allows_somewhere(who.user, act)
    return is_administrator(who) or any(
        _suffices(role, act) for role in _roles(who).values()
    )


def require_somewhere(who: Principal, act: Act) -> None:
    """Raise NotAllowed unless `allows_somewhere`."""
    if not allows_somewhere(who, act):
        raise _refusal(who, act, "for a connection")


def is_administrator(person: User) -> bool:
    """Of the server: of all connections, of people, and of what they do."""
    return person.is_superuser


def has_role(person: User, role: Role) -> bool:
    """Whether a person has at least this role, for any connection."""
    return is_administrator(person) or any(
        each.includes(role) for each in _roles(person).values()
    )


def allows_everywhere(who: Principal, act: Act) -> bool:
    """Whether somebody may do it with connections that are added later, too."""
    if isinstance(who, ApiToken):
        is_bound = who.connection_id is not None
        return (
            not is_bound and _is_in_scope(who, act) and allows_everywhere(who.user, act)
        )
    return _suffices(general_role(who), act)


def require_everywhere(who: Principal, act: Act) -> None:
    """Raise NotAllowed unless `allows_everywhere`."""
    if not allows_everywhere(who, act):
        raise _refusal(who, act, "for all connections")


EVERYTHING = ~Q(pk__in=())
"""Matches all rows. An empty Q would match none of them beside an OR."""


def people_who(act: Act, connection_id: int) -> list[User]:
    """The active people who may do it with a connection, by their names."""
    active = User.objects.filter(is_active=True).order_by("username")
    everybody = active.prefetch_related("role_assignments")
    return [each for each in everybody if allows(each, act, connection_id)]


def condition(who: Principal, act: Act, field: str) -> Q:
    """Matches rows with a connection with which somebody may do it. `field`: the name of
    their relation to the connection, "pk" for connections themselves."""
    if isinstance(who, ApiToken):
        if not _is_in_scope(who, act):
            return Q(pk__in=())
        bound = EVERYTHING
        if who.connection_id is not None:
            bound = Q(**{field: who.connection_id})
        return bound & condition(who.user, act, field)
    if is_administrator(who):
        return EVERYTHING
    roles = _roles(who)
    is_general = _suffices(roles.get(None), act)
    others = [
        pk
        for pk, role in roles.items()
        if pk is not None and _suffices(role, act) != is_general
    ]
    among = Q(**{f"{field}__in": others})
    if not is_general:
        return among
    return ~among if others else EVERYTHING


def general_role(person: User) -> Role | None:
    if is_administrator(person):
        return Role.ADMINISTRATOR
    return _roles(person).get(None)


def scope(who: Principal) -> Scope:
    """The highest scope that a person may give a token; that of a token, reduced to what its
    owner may do with any connection that it sees. The lowest one is always possible: it
    shows what its owner sees."""
    scopes = [
        need.scope
        for act, need in NEEDS.items()
        if need.scope and allows_somewhere(who, act)
    ]
    return max(scopes, key=list(Scope).index, default=Scope.READ)


def scope_refusal(token: ApiToken, needed: Scope) -> str:
    """Why a token does not have this scope, as a sentence; "" if it has."""
    allowed = scope(token)
    if allowed.includes(needed):
        return ""
    if allowed == token.scope:
        return (
            f"Your token has the scope {allowed.value}. Create another one at /tokens/."
        )
    return f"The role of its owner limits your token to the scope {allowed.value}."


def _roles(person: User) -> Roles:
    # Read once: the object of a signed-in person lives as long as their request.
    prefetch_related_objects([person], "role_assignments")
    return {
        assignment.connection_id: Role(assignment.role)
        for assignment in person.role_assignments.all()
    }


def _suffices(role: Role | None, act: Act) -> bool:
    return role is not None and role.includes(NEEDS[act].role)


def _is_in_scope(token: ApiToken, act: Act) -> bool:
    needed = NEEDS[act].scope
    return needed is not None and Scope(token.scope).includes(needed)


def _refusal(who: Principal, act: Act, where: str) -> NotAllowed:
    role = NEEDS[act].role.label
    if isinstance(who, ApiToken) and NEEDS[act].scope is None:
        return NotAllowed(f"Only a person with the role {role} may do this, on a page.")
    return NotAllowed(
        f"This needs the role {role} {where}. Ask an administrator for it."
    )
