from datetime import timedelta

import pytest
from django.utils import timezone

from jobsui.access import tokens
from jobsui.access.models import ApiToken, Scope
from tests.factories import make_connection, make_user
from tests.ops.commands import run

pytestmark = pytest.mark.django_db


def test_standard_output_is_the_token_alone() -> None:
    owner = make_user("ana")

    ran = run("createtoken", "ana")

    token = tokens.authenticate(ran.out.removesuffix("\n"))
    assert token is not None
    assert ran.status == 0
    assert token.user == owner
    assert token.scope == "run"
    assert token.connection is None
    assert token.expires_at is None
    assert ran.err == (
        "Token 'Created on the command line' of ana: scope run, all connections, "
        "does not expire. It cannot be shown again:\n"
    )


def test_token_has_the_requested_properties() -> None:
    make_user("root", admin=True)
    connection = make_connection(name="Acme")

    ran = run(
        "createtoken",
        "root",
        "--name",
        "Nightly",
        "--scope",
        "admin",
        "--connection",
        "Acme",
        "--expires",
        "30",
    )

    token = ApiToken.objects.get()
    assert ran.status == 0
    assert token.name == "Nightly"
    assert token.scope == Scope.ADMIN
    assert token.connection == connection
    assert token.expires_at is not None
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)


def test_connection_is_found_by_its_code() -> None:
    make_user("ana")
    connection = make_connection(name="Acme")

    run("createtoken", "ana", "--connection", str(connection.code))

    assert ApiToken.objects.get().connection == connection


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["zoe"],
            "There is no user 'zoe'. An administrator can create users on the page People.",
        ),
        (
            ["left"],
            "The user left is deactivated. "
            "An administrator can reactivate the user on the page People.",
        ),
        (
            ["ana", "--scope", "admin"],
            "A token cannot do more than its owner. Choose a lower scope.",
        ),
        (
            ["ana", "--connection", "Nix"],
            "There is no connection 'Nix'. Choose one of: Acme.",
        ),
        (
            ["ana", "--name", "x" * 81],
            "Enter a name of 1 to 80 characters with --name.",
        ),
    ],
)
def test_impossible_token_is_refused(words: list[str], sentence: str) -> None:
    make_user("ana")
    left = make_user("left")
    left.is_active = False
    left.save()
    make_connection(name="Acme")

    ran = run("createtoken", *words)

    assert ran.status == 2
    assert ran.out == ""
    assert ran.err == f"{sentence}\n"
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "soon", "1" * 20])
def test_expiry_must_be_a_number_of_days(days: str) -> None:
    make_user("ana")

    ran = run("createtoken", "ana", f"--expires={days}")

    assert f"{days!r} is not a number of days between 1 and 36,500." in ran.err
    assert not ApiToken.objects.exists()
