"""How the audit log names people and tokens."""

from django.contrib.auth.models import User

from jobsui.access.models import ApiToken
from jobsui.audit.log import Subject


def of_person(person: User) -> Subject:
    return Subject("person", str(person.pk), person.get_username())


def of_token(token: ApiToken) -> Subject:
    connection = token.connection.name if token.connection else ""
    return Subject("token", str(token.pk), str(token), connection)
