"""Gives people their roles."""

from django.contrib.auth.models import User
from django.db import transaction

from jobsui.access.models import Role, RoleAssignment
from jobsui.connections.models import Connection


@transaction.atomic
def assign(
    person: User, role: Role | None, *, connection: Connection | None = None
) -> None:
    """Set the role of a person for a connection, or their general role. None: they have no
    such role. A general administrator is Django's superuser and needs no assignment."""
    of_person = RoleAssignment.objects.filter(user=person, connection=connection)
    is_general_administrator = False
    if connection is None:
        is_general_administrator = role is Role.ADMINISTRATOR
        person.is_superuser = is_general_administrator
        person.save(update_fields=["is_superuser"])
    if role is None or is_general_administrator:
        of_person.delete()
    else:
        RoleAssignment.objects.update_or_create(
            user=person, connection=connection, defaults={"role": role}
        )
