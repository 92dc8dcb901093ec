import logging
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobsui.access import policy, tokens
from jobsui.access.models import ApiToken, Scope, Session
from tests.factories import make_connection, make_user
from tests.web.conftest import signed_in
from tests.web.test_access import everything

pytestmark = pytest.mark.django_db
NIGHTLY = {"name": "nightly", "scope": "run", "connection": "", "days": ""}


def shown_token(text: str) -> str:
    found = re.search(r'id="token">([^<]+)<', text)
    assert found
    return unescape(found[1])


def cells(text: str) -> list[list[str]]:
    """The rows of the list, each cell as it reads."""
    rows = re.findall(r"<tr>(.*?)</tr>", text.partition("<tbody>")[2], re.DOTALL)
    return [
        [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split())
            for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_created_token_opens_the_api(operator: Client, ana: User) -> None:
    acme = make_connection()

    answer = operator.post(
        "/tokens/add/", NIGHTLY | {"scope": "read", "connection": str(acme.code)}
    )

    token = ApiToken.objects.get()
    assert token.user == ana
    assert token.name == "nightly"
    assert token.scope == "read"
    assert token.connection == acme
    assert tokens.authenticate(shown_token(answer.text)) == token
    assert "curl http://testserver/api/v1/jobs" in answer.text
    assert "no-store" in answer["Cache-Control"]


def test_token_is_nowhere_but_on_the_one_answer(
    operator: Client,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)

    answer = operator.post("/tokens/add/", NIGHTLY)

    secret = shown_token(answer.text)
    prefix, own = secret[: tokens.PREFIX_LENGTH], secret[tokens.PREFIX_LENGTH + 1 :]
    sessions = [Session.get_decoded(session) for session in Session.objects.all()]
    pages = [
        operator.get(path).text
        for path in ("/tokens/", f"/tokens/{ApiToken.objects.get().pk}/revoke/", "/")
    ]
    places = {
        "database": str(everything()),
        "sessions": str(sessions),
        "cookies": str(operator.cookies),
        "pages": "".join(pages),
        "headers": str(answer.headers),
        "logs": f"{caplog.text}{capfd.readouterr()}",
    }
    assert answer.text.count(own) == 1
    assert {name for name, place in places.items() if own in place} == set()
    assert {name for name, place in places.items() if prefix in place} == {
        "database",
        "pages",
    }


@pytest.mark.parametrize(
    ("days", "lasts"), [("", None), ("30", 30), ("90", 90), ("365", 365)]
)
def test_token_expires_as_chosen(
    operator: Client, days: str, lasts: int | None
) -> None:
    operator.post("/tokens/add/", NIGHTLY | {"days": days})

    token = ApiToken.objects.get()
    left = token.expires_at and round(
        (token.expires_at - timezone.now()) / timedelta(days=1), 2
    )
    assert left == lasts


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"scope": "root"}, "scope"),
        ({"days": "36500"}, "days"),
        ({"connection": "00000000-0000-4000-8000-000000000000"}, "connection"),
        ({"connection": "x"}, "connection"),
    ],
)
def test_token_with_invalid_values_is_not_created(
    administrator: Client, typed: dict[str, str], field: str
) -> None:
    answer = administrator.post("/tokens/add/", NIGHTLY | typed)

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    assert ApiToken.objects.count() == 0


def test_scope_admin_is_for_administrators(
    operator: Client, administrator: Client, boss: User
) -> None:
    offered = [
        'value="admin"' in client.get("/tokens/add/").text
        for client in (operator, administrator)
    ]

    answers = [
        client.post("/tokens/add/", NIGHTLY | {"scope": "admin"})
        for client in (operator, administrator)
    ]

    assert offered == [False, True]
    assert ["New token: " in answer.text for answer in answers] == [False, True]
    assert [(token.user, policy.scope(token)) for token in ApiToken.objects.all()] == [
        (boss, Scope.ADMIN)
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_tokens_are_listed_by_as_many_queries(
    administrator: Client,
    ana: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        tokens.create(ana, f"t{number}", connection=make_connection(name=f"c{number}"))

    with django_assert_num_queries(4):  # session, user, roles, tokens
        text = administrator.get("/tokens/").text

    assert [row[0].partition(" ")[0] for row in cells(text)] == [
        f"t{number}" for number in reversed(range(count))
    ]


def test_everybody_sees_their_own_tokens_and_administrators_all(
    operator: Client, administrator: Client, ana: User, boss: User
) -> None:
    mine, _ = tokens.create(ana, "mine", connection=make_connection(production=True))
    theirs, _ = tokens.create(boss, "theirs", scope=Scope.ADMIN)
    moments = {
        "created_at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "expires_at": datetime(2126, 5, 6, tzinfo=UTC),
    }
    ApiToken.objects.update(
        **moments, last_used_at=datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
    )

    shown = {
        client: cells(client.get("/tokens/").text)
        for client in (operator, administrator)
    }

    made, used, ends = (
        "2 Jan 2026, 03:04 UTC",
        "3 Feb 2026, 04:05 UTC",
        "6 May 2126, 00:00 UTC",
    )
    own = [f"mine {mine.prefix}…", "run", "Acme PROD", made, used, ends, "Revoke"]
    assert shown[operator] == [own]
    assert shown[administrator] == [
        [
            f"theirs {theirs.prefix}…",
            "admin",
            "All",
            f"{made} by boss",
            used,
            ends,
            "Revoke",
        ],
        [*own[:3], f"{made} by ana", *own[4:]],
    ]


def test_list_shows_the_state_of_tokens(
    operator: Client, administrator: Client, ana: User
) -> None:
    for name in ("revoked", "expired", "fresh"):
        tokens.create(ana, name)
    tokens.revoke(ApiToken.objects.get(name="revoked"))
    ApiToken.objects.filter(name="expired").update(expires_at=timezone.now())
    before = [
        (row[0].split()[0], row[4], row[5].split()[0], row[6])
        for row in cells(operator.get("/tokens/").text)
    ]
    tokens.create(make_user("leo", admin=True), "great", scope=Scope.ADMIN)
    User.objects.filter(username="leo").update(is_superuser=False, is_active=False)

    after = cells(administrator.get("/tokens/").text)

    assert before == [
        ("fresh", "Never", "Never", "Revoke"),
        ("expired", "Never", "Expired", "Revoke"),
        ("revoked", "Never", "Revoked", ""),
    ]
    assert after[0][1] == "admin Limited to read by the role of leo"
    assert after[0][3].endswith("by leo (deactivated)")


def test_token_is_revoked_only_once_that_is_confirmed(
    operator: Client, ana: User
) -> None:
    token, secret = tokens.create(ana, "nightly")

    asked = operator.get(f"/tokens/{token.pk}/revoke/")
    between = tokens.authenticate(secret)
    answer = operator.post(f"/tokens/{token.pk}/revoke/", follow=True)

    assert "This cannot be undone." in asked.text
    assert between == token
    assert tokens.authenticate(secret) is None
    assert answer.redirect_chain == [("/tokens/", 302)]
    assert f"{token} revoked." in answer.text


def test_token_stays_revoked_since_when_it_was(operator: Client, ana: User) -> None:
    token, _ = tokens.create(ana, "nightly")
    operator.post(f"/tokens/{token.pk}/revoke/")
    since = ApiToken.objects.get().revoked_at

    operator.post(f"/tokens/{token.pk}/revoke/")

    assert ApiToken.objects.get().revoked_at == since


def test_tokens_of_others_are_revoked_by_administrators_alone(
    operator: Client, administrator: Client, boss: User
) -> None:
    token, secret = tokens.create(boss, "theirs")

    refused = [
        operator.get(f"/tokens/{token.pk}/revoke/"),
        operator.post(f"/tokens/{token.pk}/revoke/"),
    ]
    between = tokens.authenticate(secret)
    administrator.post(f"/tokens/{token.pk}/revoke/")

    assert [answer.status_code for answer in refused] == [404, 404]
    assert between == token
    assert tokens.authenticate(secret) is None


def test_tokens_of_a_deactivated_person_are_rejected(
    administrator: Client, ana: User
) -> None:
    token, secret = tokens.create(ana, "nightly")
    others, other_secret = tokens.create(make_user("leo"), "weekly")

    administrator.post(f"/people/{ana.pk}/deactivate/")
    shut_out = [tokens.authenticate(secret), tokens.authenticate(other_secret)]
    administrator.post(f"/people/{ana.pk}/reactivate/")

    assert shut_out == [None, others]
    assert tokens.authenticate(secret) == token


def test_empty_list_says_what_tokens_are_for(ana: User) -> None:
    text = signed_in(ana).get("/tokens/").text

    assert "With a token, your code runs jobs" in text
    assert 'href="/api/v1/docs"' in text
    assert "<table" not in text
