import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.factories import make_user
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db


def shown_password(text: str) -> str:
    found = re.search(r'id="password">([^<]+)<', text)
    assert found
    return unescape(found[1])


@pytest.mark.parametrize("count", [1, 3])
def test_people_are_listed_by_as_many_queries(
    administrator: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        make_user(f"p{number}")

    with django_assert_num_queries(3):
        text = administrator.get("/people/").text

    assert re.findall(r'href="/people/[0-9]+/">([^<]+)<', text) == [
        "boss",
        *(f"p{n}" for n in range(count)),
    ]


def test_person_is_added_with_a_password_shown_once(
    administrator: Client, client: Client
) -> None:
    answer = administrator.post("/people/add/", {"username": "leo", "is_active": "on"})

    password = shown_password(answer.text)
    leo = User.objects.get(username="leo")
    assert (leo.is_superuser, leo.is_staff, leo.is_active) == (False, False, True)
    assert leo.check_password(password)
    assert password not in administrator.get(f"/people/{leo.pk}/").text
    assert (
        client.post("/accounts/login/", {"login": "leo", "password": password})[
            "Location"
        ]
        == "/"
    )


@pytest.mark.parametrize(
    ("username", "says"),
    [
        ("BOSS", "Somebody has that name already."),
        ("a b", "Enter a valid username."),
        ("", "This field is required."),
    ],
)
def test_person_without_a_good_name_is_not_added(
    administrator: Client, username: str, says: str
) -> None:
    answer = administrator.post(
        "/people/add/", {"username": username, "is_active": "on"}
    )

    assert (answer.status_code, says in answer.text) == (200, True)
    assert list(User.objects.values_list("username", flat=True)) == ["boss"]


def test_person_gets_only_what_the_form_offers(administrator: Client) -> None:
    administrator.post(
        "/people/add/",
        {
            "username": "leo",
            "is_active": "on",
            "is_staff": "on",
            "password": "x",
            "id": 99,
        },
    )

    leo = User.objects.get(username="leo")
    assert (leo.is_staff, leo.pk == 99, leo.check_password("x")) == (
        False,
        False,
        False,
    )


def test_person_is_changed_and_keeps_the_password(
    administrator: Client, ana: User
) -> None:
    answer = administrator.post(
        f"/people/{ana.pk}/",
        {"username": "anna", "is_superuser": "on", "is_active": "on"},
    )

    before = ana.password
    ana.refresh_from_db()
    assert answer["Location"] == "/people/"
    assert (ana.username, ana.is_superuser, ana.is_active, ana.password) == (
        "anna",
        True,
        True,
        before,
    )


def test_nobody_takes_their_own_rights_away(administrator: Client, boss: User) -> None:
    answers = [
        administrator.post(f"/people/{boss.pk}/", {"username": "boss"} | fields)
        for fields in ({"is_active": "on"}, {"is_superuser": "on"}, {})
    ]

    boss.refresh_from_db()
    assert [
        "You cannot take your own rights away." in answer.text for answer in answers
    ] == [True] * 3
    assert (boss.is_superuser, boss.is_active) == (True, True)


def test_new_password_ends_the_sessions_of_its_owner(
    administrator: Client, ana: User
) -> None:
    theirs = signed_in(ana)
    before = theirs.get("/").status_code

    answer = administrator.post(f"/people/{ana.pk}/password/")

    ana.refresh_from_db()
    assert ana.check_password(shown_password(answer.text))
    assert (before, theirs.get("/").status_code) == (200, 302)
    assert administrator.get("/people/").status_code == 200


def test_people_are_no_business_of_operators(operator: Client, boss: User) -> None:
    before = boss.password

    answers = [
        operator.get("/people/"),
        operator.get("/people/add/"),
        operator.post("/people/add/", {"username": "leo"}),
        operator.post(f"/people/{boss.pk}/", {"username": "x"}),
        operator.post(f"/people/{boss.pk}/password/"),
    ]

    boss.refresh_from_db()
    assert [answer.status_code for answer in answers] == [404] * 5
    assert (boss.username, boss.password, User.objects.count()) == ("boss", before, 2)
    assert 'href="/people/"' not in operator.get("/").text
