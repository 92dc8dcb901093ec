import time

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.test import Client

from tests.factories import make_user


def signed_in(user: User, **options: bool) -> Client:
    client = Client(**options)  # type: ignore[arg-type]
    client.force_login(user)
    session = client.session
    confirm(session, user)
    session.save()
    return client


def confirm(session: SessionBase, user: User) -> None:
    """The person has just entered the password again."""
    record = {"method": "password", "at": time.time(), "reauthenticated": True}
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [record]
    session["account_authentication_methods_user"] = str(user.pk)


@pytest.fixture
def ana(db: None) -> User:  # noqa: ARG001
    """An operator."""
    return make_user("ana")


@pytest.fixture
def boss(db: None) -> User:  # noqa: ARG001
    """An administrator."""
    return make_user("boss", admin=True)


@pytest.fixture
def operator(ana: User) -> Client:
    return signed_in(ana)


@pytest.fixture
def administrator(boss: User) -> Client:
    return signed_in(boss)
