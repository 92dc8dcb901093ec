from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from jobsui.web import first_run
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"


@pytest.fixture
def token() -> str:
    first_run.discard_token()
    return first_run.make_token()


def filled(token: str, **fields: str) -> dict[str, str]:
    return {"username": "boss", "password": PASSWORD} | fields | {"token": token}


@pytest.mark.parametrize("path", ["/", "/jobs/", "/accounts/login/"])
def test_every_page_leads_to_the_first_run_without_users(
    client: Client, path: str
) -> None:
    answer = client.get(path)

    assert answer.status_code == 302
    assert answer["Location"] == "/first-run/"


def test_first_run_is_gone_once_there_is_a_user(client: Client) -> None:
    make_user()

    assert client.get("/")["Location"] == "/accounts/login/?next=/"
    assert client.get("/accounts/login/").status_code == 200
    assert client.get("/first-run/").status_code == 404


def test_token_is_for_the_owner_of_the_server_alone(token: str) -> None:
    path = Path(settings.DATA_DIR) / "first_run_token"

    assert path.read_text() == token == first_run.make_token()
    assert path.stat().st_mode & 0o777 == 0o600


def test_first_run_makes_the_administrator_who_can_sign_in(
    client: Client, token: str
) -> None:
    answer = client.post("/first-run/", filled(token))
    signed_in = client.post("/accounts/login/", {"login": "boss", "password": PASSWORD})

    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/"
    assert list(User.objects.values_list("username", "is_superuser")) == [
        ("boss", True)
    ]
    assert signed_in.status_code == 302
    assert signed_in["Location"] == "/"
    assert first_run.token_matches(token) is False
    assert (
        client.post("/first-run/", filled(token, username="second")).status_code == 404
    )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"token": "wrong"}, "Incorrect token. The token is printed in the console."),
        ({"token": ""}, "This field is required."),
        ({"token": "ü\x00"}, "Null characters are not allowed."),
        ({"password": "short"}, "This password is too short."),
        (
            {"username": "boss-of-this", "password": "boss-of-this"},
            "The password is too similar to the username.",
        ),
        ({"username": "a b"}, "Enter a valid username."),
    ],
)
def test_first_run_says_what_is_wrong(
    client: Client, token: str, fields: dict[str, str], says: str
) -> None:
    answer = client.post("/first-run/", filled(token) | fields)

    assert answer.status_code == 200
    assert says in answer.text
    assert list(User.objects.all()) == []
    assert PASSWORD not in answer.text
    assert first_run.token_matches(token) is True


def test_first_run_without_a_token_file_accepts_no_token(client: Client) -> None:
    first_run.discard_token()

    answer = client.post("/first-run/", filled(""))
    guessed = client.post("/first-run/", filled("anything"))

    assert answer.status_code == 200
    assert guessed.status_code == 200
    assert list(User.objects.all()) == []


def test_first_run_takes_no_other_method(client: Client) -> None:
    assert client.delete("/first-run/").status_code == 405
