"""What roles and scopes allow."""

import importlib

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Q

from jobsui.access import lookup, policy, roles, tokens
from jobsui.access.models import Role, RoleAssignment, Scope
from jobsui.access.policy import Act, Principal
from jobsui.connections.models import Connection
from tests.factories import make_connection, make_user

pytestmark = pytest.mark.django_db

NONE: frozenset[str] = frozenset()
VIEWER = frozenset({"view"})
OPERATOR = VIEWER | {"see_bodies", "run"}
APPROVER = OPERATOR | {"approve"}
ADMINISTRATOR = APPROVER | {"manage"}


@pytest.fixture
def acme() -> Connection:
    return make_connection()


@pytest.fixture
def other() -> Connection:
    return make_connection(name="Other")


def allowed(who: Principal, connection: Connection) -> frozenset[str]:
    """What somebody may do with a connection. Lists agree with it."""
    acts = frozenset(act for act in Act if policy.allows(who, act, connection.pk))
    listed = {act for act in Act if connection in lookup.connections(who, act)}
    assert listed == acts
    return acts


@pytest.mark.parametrize(
    ("general", "single", "expected"),
    [
        (None, None, (NONE, NONE)),
        (Role.VIEWER, None, (VIEWER, VIEWER)),
        (Role.OPERATOR, None, (OPERATOR, OPERATOR)),
        (Role.APPROVER, None, (APPROVER, APPROVER)),
        (Role.ADMINISTRATOR, None, (ADMINISTRATOR, ADMINISTRATOR)),
        (None, Role.OPERATOR, (OPERATOR, NONE)),
        (Role.VIEWER, Role.ADMINISTRATOR, (ADMINISTRATOR, VIEWER)),
        (Role.OPERATOR, Role.VIEWER, (VIEWER, OPERATOR)),
        (Role.ADMINISTRATOR, Role.VIEWER, (ADMINISTRATOR, ADMINISTRATOR)),
    ],
)
def test_role_for_a_connection_counts_instead_of_the_general_one(
    acme: Connection,
    other: Connection,
    general: Role | None,
    single: Role | None,
    expected: tuple[frozenset[str], frozenset[str]],
) -> None:
    """But for administrators of the server, who may do everything."""
    person = make_user(role=general)
    roles.assign(person, single, connection=acme)

    assert (allowed(person, acme), allowed(person, other)) == expected


@pytest.mark.parametrize(
    ("scope", "role", "expected"),
    [
        (Scope.READ, Role.VIEWER, VIEWER),
        (Scope.READ, Role.OPERATOR, VIEWER | {"see_bodies"}),
        (Scope.RUN, Role.VIEWER, VIEWER),
        (Scope.RUN, Role.ADMINISTRATOR, OPERATOR),
        (Scope.ADMIN, Role.OPERATOR, OPERATOR),
        (Scope.ADMIN, Role.APPROVER, OPERATOR),
        (Scope.ADMIN, Role.ADMINISTRATOR, ADMINISTRATOR - {"approve"}),
        (Scope.ADMIN, None, NONE),
    ],
)
@pytest.mark.parametrize("is_bound", [True, False])
def test_program_may_do_what_scope_and_role_allow(
    acme: Connection,
    other: Connection,
    scope: Scope,
    role: Role | None,
    expected: frozenset[str],
    *,
    is_bound: bool,
) -> None:
    owner = make_user(role=Role.ADMINISTRATOR)
    token, _ = tokens.create(
        owner, "nightly", scope=scope, connection=acme if is_bound else None
    )
    roles.assign(owner, role)

    assert allowed(token, acme) == expected
    assert allowed(token, other) == (NONE if is_bound else expected)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (None, Scope.READ),
        (Role.VIEWER, Scope.READ),
        (Role.OPERATOR, Scope.RUN),
        (Role.APPROVER, Scope.RUN),
        (Role.ADMINISTRATOR, Scope.ADMIN),
    ],
)
def test_person_gives_a_token_no_more_than_they_have(
    acme: Connection, role: Role | None, expected: Scope
) -> None:
    person = make_user(role=None)
    roles.assign(person, role, connection=acme)

    assert policy.scope(person) == expected
    assert tokens.scopes(person)[-1] == expected


def test_condition_can_stand_beside_another(acme: Connection) -> None:
    """An empty one would match nothing beside an OR."""
    person = make_user(role=Role.OPERATOR)

    may_see = policy.condition(person, Act.VIEW, "pk") | Q(name="")

    assert list(Connection.objects.filter(may_see)) == [acme]


def test_only_administrators_of_the_server_act_everywhere(acme: Connection) -> None:
    person = make_user(role=Role.OPERATOR)
    roles.assign(person, Role.ADMINISTRATOR, connection=acme)
    boss = make_user("boss", admin=True)

    may = [policy.allows_everywhere(who, Act.MANAGE) for who in (person, boss)]

    assert may == [False, True]


def test_role_is_changed_and_taken_away(acme: Connection) -> None:
    person = make_user(role=Role.OPERATOR)
    for role in (Role.VIEWER, Role.ADMINISTRATOR, None):
        roles.assign(person, role)
        roles.assign(person, role, connection=acme)

    assert not RoleAssignment.objects.filter(user=person).exists()
    assert User.objects.get(pk=person.pk).is_superuser is False


def test_roles_end_with_their_connection(acme: Connection) -> None:
    person = make_user(role=None)
    roles.assign(person, Role.OPERATOR, connection=acme)

    acme.delete()

    assert not RoleAssignment.objects.exists()


def test_everybody_stays_an_operator_after_the_upgrade() -> None:
    migration = importlib.import_module("jobsui.access.migrations.0004_roles")
    make_user("ana", role=None)
    make_user("boss", admin=True)

    migration.let_everybody_operate(apps, None)

    assert [
        (each.user.username, each.connection, each.role)
        for each in RoleAssignment.objects.all()
    ] == [("ana", None, "operator")]
