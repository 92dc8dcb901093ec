import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from tests.factories import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
LOGIN = {"login": "ana", "password": PASSWORD}


def sign_in(client: Client, **fields: str) -> tuple[int, str]:
    answer = client.post("/accounts/login/", LOGIN | fields)
    return answer.status_code, answer.headers.get("Location", "")


def test_person_signs_in_and_lands_where_they_wanted(client: Client) -> None:
    make_user("ana")

    led = client.get("/jobs/?q=x")["Location"]
    page = client.get(led).text

    assert led == "/accounts/login/?next=/jobs/%3Fq%3Dx"
    assert '<input type="hidden" name="next" value="/jobs/?q=x">' in page
    assert sign_in(client, next="/jobs/?q=x") == (302, "/jobs/?q=x")
    assert client.get("/jobs/?q=x").status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil"],
)
def test_signing_in_leads_to_no_other_site(client: Client, elsewhere: str) -> None:
    make_user("ana")

    assert sign_in(client, next=elsewhere) == (302, "/")


@pytest.mark.parametrize(
    "fields",
    [{"password": "wrong"}, {"login": "nobody"}, {"password": ""}, {"login": "a\x00"}],
)
def test_wrong_log_in_is_refused_in_the_same_words(
    client: Client, fields: dict[str, str]
) -> None:
    make_user("ana")

    answer = client.post("/accounts/login/", LOGIN | fields)

    assert answer.status_code == 200
    assert PASSWORD not in answer.text
    assert Session.objects.count() == 0


def test_guessing_is_slowed_down(client: Client) -> None:
    make_user("ana")

    guesses = [
        client.post("/accounts/login/", LOGIN | {"password": f"guess-{n}"})
        for n in range(6)
    ]
    right = client.post("/accounts/login/", LOGIN)

    assert "Too many failed login attempts" in guesses[-1].text
    assert right.status_code == 200
    assert client.get("/").status_code == 302


def test_signing_in_begins_a_new_session(client: Client) -> None:
    make_user("ana")
    session = client.session
    session["planted"] = "yes"
    session.save()
    before = client.cookies["jobsui_session"].value

    sign_in(client)

    assert client.cookies["jobsui_session"].value != before
    assert not Session.objects.filter(pk=before).exists()


def test_signing_out_ends_the_session(client: Client) -> None:
    make_user("ana")
    sign_in(client)
    old = client.cookies["jobsui_session"].value

    asked = client.get("/accounts/logout/")
    still = client.get("/").status_code
    client.post("/accounts/logout/")
    client.cookies["jobsui_session"] = old

    assert ("Sign out?" in asked.text, still) == (True, 200)
    assert client.get("/").status_code == 302


def test_person_who_is_shut_out_is_told_so(client: Client) -> None:
    User.objects.filter(pk=make_user("ana").pk).update(is_active=False)

    answer = sign_in(client)
    page = client.get("/accounts/inactive/").text

    assert client.get("/").status_code == 302
    assert answer == (302, "/accounts/inactive/")
    assert ("You may not sign in" in page, "bare-card" in page) == (True, True)


def test_password_is_changed_by_who_knows_the_old_one(
    operator: Client, ana: User
) -> None:
    other = Client()
    other.force_login(ana)
    change = {
        "oldpassword": PASSWORD,
        "password1": "a-new-long-password",
        "password2": "a-new-long-password",
    }

    wrong = operator.post("/accounts/password/change/", change | {"oldpassword": "no"})
    weak = operator.post(
        "/accounts/password/change/",
        change | {"password1": "short", "password2": "short"},
    )
    changed = operator.post("/accounts/password/change/", change)

    ana.refresh_from_db()
    assert [wrong.status_code, weak.status_code, changed.status_code] == [200, 200, 302]
    assert "too short" in weak.text
    assert ana.check_password("a-new-long-password")
    assert other.get("/").status_code == 302


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/inactive/"])
def test_pages_of_allauth_wear_our_dress(client: Client, path: str) -> None:
    make_user()

    assert 'class="bare-card"' in client.get(path).text


def test_password_is_asked_again_in_our_dress(operator: Client) -> None:
    page = operator.get("/accounts/reauthenticate/?next=/jobs/").text
    wrong = operator.post(
        "/accounts/reauthenticate/", {"password": "no", "next": "/jobs/"}
    )
    right = operator.post(
        "/accounts/reauthenticate/", {"password": PASSWORD, "next": "/jobs/"}
    )

    assert ('class="bare-card"' in page, 'name="next"' in page) == (True, True)
    assert (wrong.status_code, right.status_code, right["Location"]) == (
        200,
        302,
        "/jobs/",
    )


def test_browser_tabs_of_someone_signed_in_skip_the_log_in(operator: Client) -> None:
    answer = operator.get("/accounts/login/")

    assert (answer.status_code, answer["Location"]) == (302, "/")


@pytest.mark.parametrize(
    "template",
    ["account/verified_email_required.html", "account/password_reset_done.html"],
)
def test_what_is_switched_on_later_wears_our_dress_too(template: str) -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    assert 'class="bare-card"' in render_to_string(template, request=request)
