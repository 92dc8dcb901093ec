import re
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobsui.access import tokens
from jobsui.connections.models import Connection, CustomObject, SignIn
from jobsui.jobs.enums import JobState
from tests.factories import make_connection, make_object
from tests.harness import GADGET
from tests.sandbox_server import Sandbox
from tests.web import stages
from tests.web.routes import create_things
from tests.web.test_access import MATRIX

pytestmark = pytest.mark.django_db
CANARIES = {name: f"canary-{name}-7f2c" for name in Connection.SECRETS}
FORM = {
    "name": "Acme",
    "host": "acme",
    "sign_in": "oauth_client",
    "client_id": "our-client",
    "requests_per_minute": "400",
    "share": "80",
    "max_running_jobs": "30",
    "early_send": "on",
}


@pytest.fixture
def acme(boss: User) -> Connection:
    """An OAuth client of acme.zendesk.com, with every secret there can be."""
    made = Connection(
        name="Acme",
        host="acme.zendesk.com",
        client_id="our-client",
        email="ops@acme.example",
    )
    for name, secret in CANARIES.items():
        made.set_secret(name, secret)
    made.secret_set_at, made.secret_set_by, made.tested_at = (
        timezone.now(),
        boss,
        timezone.now(),
    )
    made.save()
    return made


def secrets_of(connection: Connection) -> dict[str, str]:
    stored = Connection.objects.get(pk=connection.pk)
    return {name: stored.secret(name) for name in Connection.SECRETS}


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["form"].errors)


def edit(client: Client, connection: Connection, **fields: str) -> Any:
    return client.post(f"/connections/{connection.code}/edit/", FORM | fields)


@pytest.mark.parametrize("count", [1, 3])
def test_connections_are_listed_by_as_many_queries(
    operator: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        make_object(make_connection(name=f"C{number}", host=f"c{number}.zendesk.com"))

    with django_assert_num_queries(4):  # session, user, roles, connections
        text = operator.get("/connections/").text

    assert re.findall(r'data-label="Objects">([0-9]+)<', text) == ["1"] * count


def test_empty_connection_list_says_what_to_do(
    operator: Client, administrator: Client
) -> None:
    assert (
        "Ask an administrator to connect a Zendesk account."
        in operator.get("/connections/").text
    )
    assert 'href="/connections/add/"' in administrator.get("/connections/").text


def test_connection_is_added_with_its_secret_sealed(
    administrator: Client, boss: User
) -> None:
    answer = administrator.post(
        "/connections/add/", FORM | {"client_secret": "s3cret", "production": "on"}
    )

    made = Connection.objects.get()
    assert answer["Location"] == f"/connections/{made.code}/"
    assert made.host == "acme.zendesk.com"
    assert made.client_id == "our-client"
    assert made.production is True
    assert made.sign_in == "oauth_client"
    assert secrets_of(made) == {
        "client_secret": "s3cret",
        "access_token": "",
        "refresh_token": "",
        "api_token": "",
    }
    assert made.secret_set_by == boss
    assert "s3cret" not in made.sealed_client_secret


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        (
            {
                "sign_in": "oauth_token",
                "access_token": "a",
                "refresh_token": "r",
                "token_client_id": "c",
                "token_client_secret": "s",
            },
            {
                "access_token": "a",
                "refresh_token": "r",
                "client_secret": "s",
                "api_token": "",
            },
        ),
        (
            {
                "sign_in": "api_token",
                "email": "ops@acme.example",
                "api_token": "t",
                "client_secret": "not asked for",
            },
            {
                "access_token": "",
                "refresh_token": "",
                "client_secret": "",
                "api_token": "t",
            },
        ),
    ],
)
def test_connection_keeps_the_secrets_of_its_way_to_sign_in(
    administrator: Client, fields: dict[str, str], kept: dict[str, str]
) -> None:
    administrator.post("/connections/add/", FORM | fields)

    assert secrets_of(Connection.objects.get()) == kept


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["client_secret"]),
        ({"client_id": "", "client_secret": "s"}, ["client_id"]),
        ({"sign_in": "api_token", "api_token": "t"}, ["email"]),
        ({"sign_in": "api_token", "api_token": "t", "email": "nobody"}, ["email"]),
        ({"sign_in": "password"}, ["sign_in"]),
        ({"host": "https://evil.example/", "client_secret": "s"}, ["host"]),
        ({"host": "evil.example\\@acme", "client_secret": "s"}, ["host"]),
        ({"host": "", "client_secret": "s"}, ["host"]),
        (
            {
                "max_running_jobs": "31",
                "requests_per_minute": "0",
                "share": "101",
                "client_secret": "s",
            },
            ["max_running_jobs", "requests_per_minute", "share"],
        ),
        ({"share": "0", "client_secret": "s"}, ["share"]),
        ({"share": "", "client_secret": "s"}, ["share"]),
    ],
)
def test_connection_that_cannot_work_is_not_added(
    administrator: Client, fields: dict[str, str], wrong: list[str]
) -> None:
    answer = administrator.post("/connections/add/", FORM | fields)

    assert answer.status_code == 200
    assert sorted(errors(answer)) == wrong
    assert Connection.objects.count() == 0


def test_connection_without_a_token_leads_to_the_sign_in(
    administrator: Client,
) -> None:
    answer = administrator.post("/connections/add/", FORM | {"sign_in": "oauth_token"})

    added = Connection.objects.get()
    assert answer["Location"] == f"/connections/{added.code}/move/"


@pytest.mark.usefixtures("acme")
def test_connection_name_is_used_once(administrator: Client) -> None:
    answer = administrator.post("/connections/add/", FORM | {"client_secret": "s"})

    assert errors(answer) == {"name": ["There is already a connection with this name."]}


def test_editing_without_a_secret_keeps_it(
    administrator: Client, acme: Connection
) -> None:
    answer = edit(administrator, acme, name="Acme renamed", requests_per_minute="700")

    acme.refresh_from_db()
    assert answer["Location"] == f"/connections/{acme.code}/"
    assert acme.name == "Acme renamed"
    assert acme.requests_per_minute == 700
    assert acme.tested_at is not None
    assert secrets_of(acme) == CANARIES


def test_limits_are_chosen_and_shown(administrator: Client, acme: Connection) -> None:
    before = " ".join(administrator.get(f"/connections/{acme.code}/").text.split())
    form = administrator.get(f"/connections/{acme.code}/edit/").context["form"]

    edit(administrator, acme, share="100", early_send="")

    acme.refresh_from_db()
    after = " ".join(administrator.get(f"/connections/{acme.code}/").text.split())
    assert form["share"].value() == 80
    assert form["early_send"].value() is True
    assert acme.share == 100
    assert acme.early_send is False
    assert "<dd>400 requests per minute</dd>" in before
    assert "<dd>80 %</dd> <dt>Reserved for other integrations</dt> <dd>20 %" in before
    assert "<dt>Send ahead of free slots</dt> <dd>On</dd>" in before
    assert "<dd>100 %</dd>" in after
    assert "Reserved for other integrations" not in after
    assert "<dt>Send ahead of free slots</dt> <dd>Off</dd>" in after


def test_connections_of_one_account_are_listed(
    operator: Client, acme: Connection
) -> None:
    alone = operator.get(f"/connections/{acme.code}/")
    make_connection(name="Elsewhere", host="other.zendesk.com")
    sibling = make_connection(name="Acme too")

    page = operator.get(f"/connections/{acme.code}/")

    assert [list(answer.context["siblings"]) for answer in (alone, page)] == [
        [],
        [sibling],
    ]
    assert "The lowest value of each applies." in page.text
    assert "The lowest value of each applies." not in alone.text


def test_editing_with_a_secret_replaces_it_and_its_tokens(
    administrator: Client, acme: Connection
) -> None:
    edit(administrator, acme, client_secret="new")

    acme.refresh_from_db()
    assert secrets_of(acme) == CANARIES | {"client_secret": "new", "access_token": ""}
    assert acme.tested_at is None


@pytest.mark.parametrize(
    "moved",
    [{"host": "other"}, {"host": "acme.elsewhere.example"}, {"sign_in": "oauth_token"}],
)
def test_moving_asks_for_the_secret_again(
    administrator: Client, acme: Connection, settings: Any, moved: dict[str, str]
) -> None:
    settings.API_HOSTS = ["*.zendesk.com", "acme.elsewhere.example"]

    answer = edit(administrator, acme, **moved)

    needed = "access_token" if "sign_in" in moved else "client_secret"
    assert errors(answer) == {
        needed: [
            "Enter the secret again: "
            "the stored one is not used after a change of host or authentication."
        ]
    }
    acme.refresh_from_db()
    assert acme.host == "acme.zendesk.com"
    assert acme.sign_in == "oauth_client"
    assert secrets_of(acme) == CANARIES


@pytest.mark.parametrize("host", ["other", "acme.elsewhere.example"])
def test_moving_forgets_every_secret_of_before(
    administrator: Client, acme: Connection, settings: Any, host: str
) -> None:
    settings.API_HOSTS = ["*.zendesk.com", "acme.elsewhere.example"]

    edit(administrator, acme, host=host, client_secret="new")

    assert secrets_of(acme) == {
        "client_secret": "new",
        "access_token": "",
        "refresh_token": "",
        "api_token": "",
    }


@pytest.mark.parametrize("host", ["ACME", " acme ", "acme.zendesk.com"])
def test_same_host_written_otherwise_is_no_move(
    administrator: Client, acme: Connection, host: str
) -> None:
    answer = edit(administrator, acme, host=host)

    assert answer.status_code == 302
    assert secrets_of(acme) == CANARIES


def test_connection_whose_jobs_run_does_not_move(
    administrator: Client, acme: Connection
) -> None:
    stages.changed(stages.planned(state=JobState.RUNNING), connection=acme)

    moved = edit(administrator, acme, host="other", client_secret="new")
    renamed = edit(administrator, acme, name="Acme renamed")

    assert errors(moved) == {
        "__all__": [
            "Jobs of this connection are running. Wait until they have finished before "
            "you change its host or authentication."
        ]
    }
    assert renamed.status_code == 302
    assert secrets_of(acme) == CANARIES


def test_no_page_has_a_secret(administrator: Client, acme: Connection) -> None:
    thing = make_object(acme, "gadget", fields=GADGET)
    harness = create_things()
    for job in (harness.job, harness.draft):
        stages.changed(job, connection=acme)
    acme_world = replace(harness, connection=acme, object=thing)
    paths = [acme_world.path(route) for route, row in MATRIX.items() if row.get == 200]

    pages = {path: administrator.get(path) for path in paths}
    refused = edit(
        administrator,
        acme,
        name="",
        client_secret="typed-canary-7f2c",
        api_token="typed-canary-7f2c",
    )

    texts = {
        p: (a.getvalue() if a.streaming else a.content).decode(errors="replace")
        for p, a in pages.items()
    }
    assert "(cannot be shown)" in texts[f"/connections/{acme.code}/"]
    assert {path for path, text in texts.items() if "canary" in text} == set()
    sealed = [getattr(acme, f"sealed_{name}") for name in Connection.SECRETS]
    assert {
        path for path, text in texts.items() if any(secret in text for secret in sealed)
    } == set()
    assert refused.status_code == 200
    assert "canary" not in refused.text


def test_test_tells_whether_the_connection_works(
    operator: Client, sandbox: Sandbox
) -> None:
    sandbox.settings(api_tokens=True)
    connection = make_connection(
        host=sandbox.host, email=sandbox.email, requests_per_minute=60_000
    )
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()

    fragment = operator.post(
        f"/connections/{connection.code}/test/", headers={"HX-Request": "true"}
    )
    page = operator.post(f"/connections/{connection.code}/test/")

    connection.refresh_from_db()
    assert fragment.text.lstrip().startswith('<section class="card" id="test"')
    assert "The connection works." in fragment.text
    assert page["Location"] == f"/connections/{connection.code}/"
    assert connection.test_passed is True


def test_test_tells_why_the_connection_does_not_work(operator: Client) -> None:
    connection = make_connection(host=stages.NOWHERE)

    fragment = operator.post(
        f"/connections/{connection.code}/test/", headers={"HX-Request": "true"}
    )

    assert "The host refused the connection." in fragment.text
    assert Connection.objects.get().test_passed is False


def test_connection_shows_the_scopes_of_its_token(
    operator: Client, acme: Connection
) -> None:
    acme.scopes = "custom_objects:read"
    acme.save()

    page = operator.get(f"/connections/{acme.code}/").text

    assert "<dt>Scopes</dt>" in page
    assert "The token cannot send jobs" in page
    assert "The token covers custom objects only" in page


def test_test_says_that_the_scopes_do_not_show_the_user(
    operator: Client, acme: Connection
) -> None:
    acme.scopes = "custom_objects:read custom_objects:write"
    acme.tested_at = timezone.now()
    acme.test_passed = True
    acme.test_result = {"ok": True, "user": "", "error": ""}
    acme.save()

    page = operator.get(f"/connections/{acme.code}/").text

    assert "<dd>Not shown with these scopes</dd>" in page


def test_objects_are_fetched(operator: Client, sandbox: Sandbox) -> None:
    sandbox.settings(api_tokens=True)
    sandbox.make_object("gadget", fields=GADGET)
    connection = make_connection(
        host=sandbox.host, email=sandbox.email, requests_per_minute=60_000
    )
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    make_object(connection, "old")

    page = operator.post(f"/connections/{connection.code}/fetch-objects/", follow=True)

    assert "1 object refreshed from Acme." in page.text
    assert list(CustomObject.objects.values_list("key", "gone")) == [
        ("gadget", False),
        ("old", True),
    ]


def test_fetching_objects_that_fails_says_why(operator: Client) -> None:
    connection = make_connection(host=stages.NOWHERE)

    page = operator.post(f"/connections/{connection.code}/fetch-objects/", follow=True)

    assert "The host refused the connection." in page.text


def test_connection_without_jobs_is_removed_with_its_objects(
    administrator: Client, acme: Connection
) -> None:
    make_object(acme)

    page = administrator.post(f"/connections/{acme.code}/remove/", follow=True)

    assert "Acme and its secrets were removed." in page.text
    assert Connection.objects.count() == 0
    assert CustomObject.objects.count() == 0


def test_removing_a_connection_asks_first(
    administrator: Client, acme: Connection, boss: User
) -> None:
    make_object(acme)
    tokens.create(boss, "nightly", connection=acme)

    detail = administrator.get(f"/connections/{acme.code}/").text
    page = administrator.get(f"/connections/{acme.code}/remove/").text

    assert f'href="/connections/{acme.code}/remove/"' in detail
    assert "Remove Acme?" in page
    assert "Also deleted from Jobs UI: 1 object." in page
    assert "Also deleted: 1 API token for this connection." in page
    assert "Clients using it will be rejected." in page
    assert "This cannot be undone." in page
    assert Connection.objects.count() == 1


def test_connection_with_jobs_offers_no_removal(administrator: Client) -> None:
    code = stages.draft().connection.code

    assert "/remove/" not in administrator.get(f"/connections/{code}/").text


def test_connection_with_jobs_stays(administrator: Client) -> None:
    job = stages.settled()

    page = administrator.post(
        f"/connections/{job.connection.code}/remove/", follow=True
    )

    assert (
        "Acme cannot be removed: it has jobs, and their history would be lost."
        in page.text
    )
    assert Connection.objects.count() == 1


def test_connections_are_kept_by_administrators_alone(
    operator: Client, acme: Connection
) -> None:
    answers = [
        edit(operator, acme, host="other", client_secret="x"),
        operator.post("/connections/add/", FORM),
        operator.post(f"/connections/{acme.code}/remove/"),
    ]

    assert [answer.status_code for answer in answers] == [403, 404, 403]
    assert secrets_of(acme) == CANARIES
    assert SignIn(Connection.objects.get().sign_in) is SignIn.OAUTH_CLIENT
    assert "edit/" not in operator.get(f"/connections/{acme.code}/").text
