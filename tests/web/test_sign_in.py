import pytest
from django.conf import LazySettings
from django.contrib.auth.models import AnonymousUser, User
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from jobsui.access.models import Session
from jobsui.web.addresses import page_of
from tests.factories import make_user
from tests.web.routes import create_things
from tests.web.test_access import MATRIX, OURS

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
def test_wrong_sign_in_begins_no_session(
    client: Client, fields: dict[str, str]
) -> None:
    make_user("ana")

    answer = client.post("/accounts/login/", LOGIN | fields)

    assert answer.status_code == 200
    assert PASSWORD not in answer.text
    assert Session.objects.count() == 0


FORMS = [route for route in OURS if MATRIX[route].post not in (404, 405)]


@pytest.mark.parametrize("route", FORMS)
@pytest.mark.usefixtures("boss")
def test_form_sent_while_signed_out_leads_back_to_its_page(
    client: Client, route: str
) -> None:
    path = create_things().path(route)

    sign_in_page = client.post(path)["Location"]
    shown = client.get(sign_in_page).text
    page = client.post(
        sign_in_page, {"login": "boss", "password": PASSWORD}, follow=True
    )

    assert "You were signed out. Nothing was changed." in shown
    assert page.redirect_chain[0][0] == page_of(path)
    assert page.status_code == 200
    assert "You were signed out. Nothing was changed. Try again." in page.text


@pytest.mark.usefixtures("ana")
def test_form_sent_while_signed_out_leads_back_with_its_query(
    client: Client,
) -> None:
    harness = create_things()
    job_page = harness.path("jobs/<uuid:code>/rows/")
    pause = harness.path("jobs/<uuid:code>/pause/")
    headers = {"Referer": f"http://testserver{job_page}?outcome=failed"}

    sign_in_page = client.post(pause, headers=headers)["Location"]
    answer = client.post(sign_in_page, LOGIN)

    assert answer["Location"] == f"{job_page}?outcome=failed"


@pytest.mark.parametrize(
    "referer",
    [
        "https://evil.example/jobs/",
        "http://testserver/connections/add/../../nothing",
        "javascript:alert(1)",
        "http://testserver:80@evil.example/",
        "",
    ],
)
@pytest.mark.usefixtures("ana")
def test_form_sent_from_elsewhere_leads_to_the_page_above(
    client: Client, referer: str
) -> None:
    path = create_things().path("objects/<int:pk>/request/send/")

    sign_in_page = client.post(path, headers={"Referer": referer})["Location"]
    location = client.post(sign_in_page, LOGIN)["Location"]

    assert location in (path.removesuffix("send/"), "/connections/add/", "/")
    assert client.get(location).status_code in (200, 404)


@pytest.mark.parametrize("send", ["get", "post"])
def test_signed_out_fragment_links_back_to_the_page(client: Client, send: str) -> None:
    harness = create_things()
    job_page = harness.path("jobs/<uuid:code>/")
    headers = {
        "HX-Request": "true",
        "HX-Current-URL": f"http://testserver{job_page}?a=1",
    }

    answer = getattr(client, send)(f"{job_page}progress/", headers=headers)

    unsent = "" if send == "get" else "&amp;unsent=1"
    sign_in_page = f"/accounts/login/?next={job_page}%3Fa%3D1{unsent}"
    assert f'href="{sign_in_page}"' in answer.text
    assert ("resume live updates" in answer.text) == (send == "get")
    assert ("Nothing was changed." in answer.text) == (send == "post")


@pytest.mark.parametrize("route", [route for route in OURS if MATRIX[route].get == 405])
def test_opening_the_address_of_a_form_leads_to_its_page(
    administrator: Client, route: str
) -> None:
    path = create_things().path(route)

    answer = administrator.get(path)
    page = administrator.get(page_of(path))

    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert f'href="{page_of(path)}"' in answer.text
    assert page.status_code == 200


@pytest.mark.parametrize("fields", [{"password": "wrong"}, {"login": "leo"}])
def test_wrong_sign_in_says_no_more_than_that(
    client: Client, fields: dict[str, str]
) -> None:
    make_user("ana")

    answer = client.post("/accounts/login/", LOGIN | fields)

    assert "Incorrect username or password." in answer.text


def test_guessing_is_slowed_down(client: Client) -> None:
    make_user("ana")

    guesses = [
        client.post("/accounts/login/", LOGIN | {"password": f"guess-{n}"})
        for n in range(6)
    ]
    right = client.post("/accounts/login/", LOGIN)

    assert "Too many failed sign-ins." in guesses[-1].text
    assert right.status_code == 200
    assert client.get("/").status_code == 302


def guess(address: str, guesses: int, name: str = "ana") -> str:
    """The last page that wrong passwords from this address lead to."""
    client = Client(REMOTE_ADDR=address)
    pages = [
        client.post("/accounts/login/", {"login": name, "password": f"guess-{number}"})
        for number in range(guesses)
    ]
    return pages[-1].text


def test_guesses_of_a_stranger_lock_nobody_out() -> None:
    make_user("ana")

    refused = guess("203.0.113.7", 40)
    for number in range(30):
        guess("203.0.113.8", 1, name=f"stranger-{number}")
    spread = guess("203.0.113.8", 1, name="another")
    answer = Client(REMOTE_ADDR="198.51.100.1").post("/accounts/login/", LOGIN)

    assert "Too many failed sign-ins." in refused
    assert "Too many failed sign-ins." in spread
    assert answer["Location"] == "/"


@pytest.mark.parametrize(
    ("others", "is_limited"),
    [("2001:db8:1:2:ffff::1", True), ("2001:db8:1:3::1", False)],
)
def test_guesses_are_counted_by_the_network_of_ipv6(
    others: str, *, is_limited: bool
) -> None:
    make_user("ana")
    guess("2001:db8:1:2::1", 5)

    assert ("Too many failed sign-ins." in guess(others, 1)) is is_limited


def test_guesses_are_counted_by_the_client_behind_a_proxy(
    settings: LazySettings,
) -> None:
    make_user("ana")
    settings.TRUSTED_PROXIES = 1
    stranger, person = (
        Client(headers={"X-Forwarded-For": f"192.0.2.1, {address}"})
        for address in ("203.0.113.7", "198.51.100.1")
    )

    wrong = [
        stranger.post("/accounts/login/", LOGIN | {"password": f"guess-{number}"})
        for number in range(6)
    ]

    assert "Too many failed sign-ins." in wrong[-1].text
    assert person.post("/accounts/login/", LOGIN)["Location"] == "/"


def test_many_other_names_do_not_reset_the_count() -> None:
    make_user("ana")
    guess("203.0.113.7", 5)

    for number in range(0, 400, 4):
        guess(f"198.51.100.{number // 4}", 4, name=f"stranger-{number}")

    assert "Too many failed sign-ins." in guess("203.0.113.7", 1)


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

    assert "Sign out?" in asked.text
    assert "Stay signed in" in asked.text
    assert still == 200
    assert client.get("/").status_code == 302


def test_deactivated_person_sees_why_sign_in_fails(client: Client) -> None:
    User.objects.filter(pk=make_user("ana").pk).update(is_active=False)

    answer = sign_in(client)
    page = client.get("/accounts/inactive/").text

    assert client.get("/").status_code == 302
    assert answer == (302, "/accounts/inactive/")
    assert "This account is deactivated." in page
    assert "bare-card" in page


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


def test_guesses_of_the_current_password_are_limited(operator: Client) -> None:
    change = {"oldpassword": "no", "password1": PASSWORD, "password2": PASSWORD}

    pages = [operator.post("/accounts/password/change/", change) for _ in range(6)]

    assert [page.status_code for page in pages] == [200] * 5 + [429]
    assert "Too many attempts" in pages[-1].text
    assert 'class="bare-card"' in pages[-1].text


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/inactive/"])
def test_pages_of_allauth_use_our_layout(client: Client, path: str) -> None:
    make_user()

    assert 'class="bare-card"' in client.get(path).text


def test_password_confirmation_uses_our_layout(operator: Client) -> None:
    page = operator.get("/accounts/reauthenticate/?next=/jobs/").text
    wrong = operator.post(
        "/accounts/reauthenticate/", {"password": "no", "next": "/jobs/"}
    )
    right = operator.post(
        "/accounts/reauthenticate/", {"password": PASSWORD, "next": "/jobs/"}
    )

    assert 'class="bare-card"' in page
    assert 'name="next"' in page
    assert wrong.status_code == 200
    assert right.status_code == 302
    assert right["Location"] == "/jobs/"


def test_signed_in_person_skips_the_sign_in_page(operator: Client) -> None:
    answer = operator.get("/accounts/login/")

    assert answer.status_code == 302
    assert answer["Location"] == "/"


@pytest.mark.parametrize(
    "template",
    ["account/verified_email_required.html", "account/password_reset_done.html"],
)
def test_unused_pages_of_allauth_use_our_layout_too(template: str) -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    assert 'class="bare-card"' in render_to_string(template, request=request)
