import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_user


def signed_in(user: User, **options: bool) -> Client:
    client = Client(**options)  # type: ignore[arg-type]
    client.force_login(user)
    return client


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
