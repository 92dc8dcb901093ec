"""Adds and changes people. Each change is in the audit log."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from jobsui.access import passwords, policy, roles, sessions, subjects, tokens
from jobsui.access.models import Role
from jobsui.audit import log
from jobsui.audit.models import Action
from jobsui.connections.models import Connection

Roles = Mapping[Connection | None, Role | None]
"""{connection: the role for it, None: the general one; None: there is no such role}."""


@transaction.atomic
def add(username: str, given: Roles) -> tuple[User, str]:
    """A new person, and their temporary password."""
    person = User.objects.create(username=username)
    _assign(person, given)
    password = passwords.create_temporary(person)
    _record_roles(Action.PERSON_ADDED, person, {})
    return person, password


@transaction.atomic
def add_administrator(username: str, password: str) -> User:
    """The first one, with the password that they have chosen."""
    person = User.objects.create_superuser(username, password=password)
    _record_roles(Action.PERSON_ADDED, person, {})
    return person


@transaction.atomic
def change(person: User, username: str, given: Roles) -> None:
    before = _roles_of(person)
    person.username = username
    person.save(update_fields=["username"])
    _assign(person, given)
    _record_roles(Action.PERSON_CHANGED, person, before)


@transaction.atomic
def reset_password(person: User, *, revoke_tokens: bool) -> str:
    """A temporary password. It ends the person's sessions."""
    log.record(Action.PASSWORD_RESET, subjects.of_person(person))
    if revoke_tokens:
        tokens.revoke_all(person)
    sessions.discard_all(person)
    return passwords.create_temporary(person)


@transaction.atomic
def set_active(person: User, *, is_active: bool) -> None:
    """Who is not active cannot sign in, their sessions end, and their tokens are rejected."""
    person.is_active = is_active
    person.save(update_fields=["is_active"])
    if not is_active:
        sessions.discard_all(person)
    action = Action.PERSON_REACTIVATED if is_active else Action.PERSON_DEACTIVATED
    log.record(action, subjects.of_person(person))


def _assign(person: User, given: Roles) -> None:
    for connection, role in given.items():
        roles.assign(person, role, connection=connection)


def _record_roles(action: Action, person: User, before: Mapping[str, Any]) -> None:
    subject = subjects.of_person(person)
    log.record(action, subject, before=before, after=_roles_of(person))


def _roles_of(person: User) -> dict[str, Any]:
    """The username and roles, as they are stored now."""
    stored = User.objects.get(pk=person.pk)
    general = policy.general_role(stored)
    single = stored.role_assignments.exclude(connection=None)
    by_connection = {
        f"role for {assignment.connection}": assignment.role
        for assignment in single.select_related("connection")
    }
    return {"username": stored.username, "role": general or ""} | by_connection
