"""Passwords that somebody else has seen: their owner must change them."""

import secrets

from django.contrib.auth.models import User
from django.db import transaction

from jobsui.access.models import TemporaryPassword


@transaction.atomic
def create_temporary(person: User) -> str:
    """A random password, which cannot be shown again. It ends the person's sessions."""
    password = secrets.token_urlsafe(12)
    person.set_password(password)
    person.save()
    TemporaryPassword.objects.get_or_create(user=person)
    return password


@transaction.atomic
def change(person: User, password: str) -> None:
    """Set the password that the person has chosen. It ends their sessions."""
    person.set_password(password)
    person.save()
    TemporaryPassword.objects.filter(user=person).delete()


def is_temporary(person: User) -> bool:
    return TemporaryPassword.objects.filter(user=person).exists()
