"""How the audit log names people and tokens."""

from typing import Any

from django.contrib.auth.models import User

from jobsui.access import policy
from jobsui.access.models import ApiToken
from jobsui.audit.log import Subject


def of_person(person: User) -> Subject:
    return Subject("person", str(person.pk), person.get_username())


def of_token(token: ApiToken) -> Subject:
    connection = token.connection.name if token.connection else ""
    return Subject("token", str(token.pk), str(token), connection)


def roles_of(person: User) -> dict[str, Any]:
    """The username and roles of a person."""
    general = policy.general_role(person)
    single = person.role_assignments.exclude(connection=None)
    by_connection = {
        f"role for {assignment.connection}": assignment.role
        for assignment in single.select_related("connection")
    }
    return {"username": person.username, "role": general or ""} | by_connection
