import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobsui.access import tokens
from jobsui.access.models import Role, RoleAssignment
from jobsui.audit.models import Entry
from tests.factories import make_connection, make_user
from tests.web import stages
from tests.web.conftest import signed_in
from tests.web.test_sign_in import PASSWORD

pytestmark = pytest.mark.django_db


def unspaced(text: str) -> str:
    return " ".join(text.split())


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

    with django_assert_num_queries(4):
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
    assert leo.is_superuser is False
    assert leo.is_staff is False
    assert leo.is_active is True
    assert leo.check_password(password)
    assert password not in administrator.get(f"/people/{leo.pk}/").text
    signing_in = client.post("/accounts/login/", {"login": "leo", "password": password})
    assert signing_in["Location"] == "/"


def change_password(client: Client, old: str, new: str) -> str:
    """Where it leads to, or the page that refuses it."""
    change = {"oldpassword": old, "password1": new, "password2": new}
    answer = client.post("/accounts/password/change/", change)
    return answer.headers.get("Location") or answer.text


@pytest.mark.parametrize("is_new", [True, False])
def test_password_created_by_an_administrator_must_be_changed(
    administrator: Client, client: Client, ana: User, *, is_new: bool
) -> None:
    path = "/people/add/" if is_new else f"/people/{ana.pk}/password/"
    answer = administrator.post(path, {"username": "leo", "role": "operator"})
    given = shown_password(answer.text)
    name = "leo" if is_new else "ana"
    client.post("/accounts/login/", {"login": name, "password": given})

    before = [client.get(path) for path in ("/", "/jobs/", "/accounts/email/")]
    posted = client.post("/connections/add/", {})
    polled = client.get("/live/", headers={"HX-Request": "true"})
    page = client.get("/accounts/password/change/").text
    same = change_password(client, given, given)
    changed = change_password(client, given, "my-own-long-password")

    change = "/accounts/password/change/"
    assert [each.headers.get("Location") for each in before] == [change, change, None]
    assert posted["Location"] == change
    assert polled["HX-Redirect"] == change
    assert "Your password was created by an administrator." in page
    assert "Choose another password than the one you were given." in same
    assert changed == "/"
    assert client.get("/").status_code == 200
    assert "created by an administrator" not in client.get(change).text


def valid_tokens(text: str) -> bool:
    return tokens.authenticate(text) is not None


@pytest.mark.parametrize("revoke", [True, False])
def test_new_password_offers_to_revoke_the_tokens(
    administrator: Client, boss: User, ana: User, *, revoke: bool
) -> None:
    theirs = [tokens.create(ana, name)[1] for name in ("nightly", "weekly")]
    of_boss = tokens.create(boss, "other")[1]
    path = f"/people/{ana.pk}/password/"

    page = unspaced(administrator.get(path).text)
    administrator.post(path, {"revoke_tokens": "on"} if revoke else {})

    assert "Also revoke their 2 API tokens. Otherwise they keep working." in page
    assert [valid_tokens(text) for text in theirs] == [not revoke] * 2
    assert valid_tokens(of_boss)
    reset = ["password_reset", *["token_revoked"] * 2 * revoke]
    logged = Entry.objects.filter(action__in=reset).order_by("number")
    assert [entry.action for entry in logged] == reset


@pytest.mark.parametrize("revoke", [True, False])
def test_changed_password_offers_to_revoke_the_own_tokens(
    operator: Client, boss: User, ana: User, *, revoke: bool
) -> None:
    own = tokens.create(ana, "nightly")[1]
    of_boss = tokens.create(boss, "other")[1]
    path = "/accounts/password/change/"
    new = "my-own-long-password"
    change = {"oldpassword": PASSWORD, "password1": new, "password2": new}

    page = unspaced(operator.get(path).text)
    operator.post(path, change | {"oldpassword": "no", "revoke_tokens": "on"})
    after_refusal = valid_tokens(own)
    operator.post(path, change | ({"revoke_tokens": "on"} if revoke else {}))

    assert "Also revoke your 1 API token. Otherwise it keeps working." in page
    assert after_refusal
    assert valid_tokens(own) is not revoke
    assert valid_tokens(of_boss)


def test_without_tokens_none_are_offered(
    administrator: Client, operator: Client, ana: User
) -> None:
    tokens.revoke(tokens.create(ana, "old")[0])

    pages = [
        administrator.get(f"/people/{ana.pk}/password/").text,
        operator.get("/accounts/password/change/").text,
    ]

    assert ["Also revoke" in page for page in pages] == [False, False]


def test_sign_out_works_before_the_password_is_changed(
    administrator: Client, client: Client, ana: User
) -> None:
    answer = administrator.post(f"/people/{ana.pk}/password/")
    signing_in = {"login": "ana", "password": shown_password(answer.text)}
    client.post("/accounts/login/", signing_in)

    client.post("/accounts/logout/")

    assert client.get("/")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    ("username", "says"),
    [
        ("BOSS", "That username is taken."),
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

    assert answer.status_code == 200
    assert says in answer.text
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
    assert leo.is_staff is False
    assert leo.pk != 99
    assert leo.check_password("x") is False


def test_person_is_changed_and_keeps_the_password(
    administrator: Client, ana: User
) -> None:
    answer = administrator.post(
        f"/people/{ana.pk}/",
        {"username": "anna", "role": "administrator", "is_superuser": ""},
    )

    before = ana.password
    ana.refresh_from_db()
    assert answer["Location"] == "/people/"
    assert ana.username == "anna"
    assert ana.is_superuser is True
    assert ana.is_active is True
    assert ana.password == before


def test_administrator_keeps_the_own_role(administrator: Client, boss: User) -> None:
    answer = administrator.post(f"/people/{boss.pk}/", {"username": "boss"})

    boss.refresh_from_db()
    assert "You cannot remove your own administrator role." in answer.text
    assert boss.is_superuser


@pytest.mark.parametrize("send", ["get", "post"])
def test_administrator_does_not_deactivate_themselves(
    administrator: Client, boss: User, send: str
) -> None:
    path = f"/people/{boss.pk}/deactivate/"

    page = getattr(administrator, send)(path, follow=True)

    boss.refresh_from_db()
    assert "You cannot deactivate yourself." in page.text
    assert path not in page.text
    assert boss.is_active


def test_person_form_does_not_deactivate(administrator: Client, ana: User) -> None:
    administrator.post(f"/people/{ana.pk}/", {"username": "anna"})

    ana.refresh_from_db()
    assert ana.username == "anna"
    assert ana.is_active


def test_deactivating_asks_first_with_numbers(administrator: Client, ana: User) -> None:
    tokens.create(ana, "nightly")
    stages.planned(created_by=ana)

    page = administrator.get(f"/people/{ana.pk}/deactivate/")

    ana.refresh_from_db()
    assert "Deactivate ana?" in page.text
    assert "ana is signed out immediately" in page.text
    assert "Rejected from now on: 1 API token." in page.text
    assert "Still running, and will finish: 1 job." in page.text
    assert ana.is_active


def test_deactivated_person_is_out_until_reactivated(
    administrator: Client, ana: User
) -> None:
    theirs = signed_in(ana)

    administrator.post(f"/people/{ana.pk}/deactivate/")
    while_deactivated = theirs.get("/").status_code
    shown = administrator.get(f"/people/{ana.pk}/").text
    administrator.post(f"/people/{ana.pk}/reactivate/")

    assert while_deactivated == 302
    assert "Reactivate ana" in shown
    assert signed_in(ana).get("/").status_code == 200


def test_new_password_asks_first(administrator: Client, ana: User) -> None:
    before = ana.password

    page = administrator.get(f"/people/{ana.pk}/password/")

    ana.refresh_from_db()
    assert "Create a new password for ana?" in page.text
    assert "ana is signed out immediately, on every device." in page.text
    assert ana.password == before


def test_new_password_ends_the_sessions_of_its_owner(
    administrator: Client, ana: User
) -> None:
    theirs = signed_in(ana)
    before = theirs.get("/").status_code

    answer = administrator.post(f"/people/{ana.pk}/password/")

    ana.refresh_from_db()
    assert ana.check_password(shown_password(answer.text))
    assert before == 200
    assert theirs.get("/").status_code == 302
    assert administrator.get("/people/").status_code == 200


def test_operators_cannot_see_or_change_people(operator: Client, boss: User) -> None:
    before = boss.password

    answers = [
        operator.get("/people/"),
        operator.get("/people/add/"),
        operator.post("/people/add/", {"username": "leo"}),
        operator.post(f"/people/{boss.pk}/", {"username": "x"}),
        operator.post(f"/people/{boss.pk}/password/"),
        operator.post(f"/people/{boss.pk}/deactivate/"),
        operator.post(f"/people/{boss.pk}/reactivate/"),
    ]

    boss.refresh_from_db()
    assert [answer.status_code for answer in answers] == [404] * 7
    assert boss.username == "boss"
    assert boss.password == before
    assert User.objects.count() == 2
    assert 'href="/people/"' not in operator.get("/").text


def test_person_has_roles_for_single_connections(administrator: Client) -> None:
    acme = make_connection()
    other = make_connection(name="Other")
    sent = {"username": "leo", "role": "", f"connection_{acme.pk}": "operator"}

    administrator.post("/people/add/", sent)
    leo = User.objects.get(username="leo")
    page = administrator.get(f"/people/{leo.pk}/").context["form"]
    administrator.post(
        f"/people/{leo.pk}/",
        {
            "username": "leo",
            "role": "viewer",
            f"connection_{other.pk}": "administrator",
        },
    )

    assert page.initial == {
        "username": "leo",
        "role": "",
        f"connection_{acme.pk}": "operator",
    }
    assert set(RoleAssignment.objects.values_list("connection__name", "role")) == {
        (None, "viewer"),
        ("Other", "administrator"),
    }


@pytest.mark.parametrize(
    ("role", "shown"),
    [
        (None, "Roles for single connections"),
        (Role.VIEWER, "Viewer"),
        (Role.ADMINISTRATOR, "Administrator"),
    ],
)
def test_people_are_listed_with_their_general_role(
    administrator: Client, role: Role | None, shown: str
) -> None:
    make_user("leo", role=role)

    page = administrator.get("/people/").text
    assert re.findall(r'data-label="Role">([^<]+)<', page) == ["Administrator", shown]
