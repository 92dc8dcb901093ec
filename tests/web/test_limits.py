"""Pages of people who do too much."""

import threading
from typing import Any

import pytest
from django.test import Client

from jobsui import waits
from jobsui.access.limits import LIMITS, Limit, Limited
from jobsui.connections.models import CustomObject
from tests.harness import Harness
from tests.web import stages
from tests.web.test_uploads import form

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in Limited:
        monkeypatch.setitem(LIMITS, what, Limit(1))


def require_page(answer: Any, sentence: str) -> None:
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) in {59, 60}
    assert "Too many requests" in answer.text
    assert sentence in answer.text


def test_download(operator: Client, harness: Harness) -> None:  # noqa: ARG001
    job = stages.settled()
    path = f"/jobs/{job.code}/results.csv"

    first = operator.get(path)
    second = operator.get(path)

    assert first.status_code == 200
    require_page(second, "The limit of 1 downloads a minute is reached.")


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    monkeypatch.setitem(LIMITS, Limited.EXPORT, Limit(100))


@pytest.mark.usefixtures("one_place")
def test_download_holds_its_place_until_it_is_sent(
    operator: Client,
    harness: Harness,  # noqa: ARG001
) -> None:
    path = f"/jobs/{stages.settled().code}/results.csv"

    first = operator.get(path)
    second = operator.get(path)
    content = first.getvalue()
    third = operator.get(path)

    assert second.status_code == 429
    assert second["Retry-After"] == "5"
    assert "Jobs UI is busy" in second.text
    assert third.getvalue() == content


def test_upload(operator: Client) -> None:
    thing: CustomObject = stages.gadget()

    first = operator.post("/jobs/new/", form(thing, b"name\na\n"))
    second = operator.post("/jobs/new/", form(thing, b"name\na\n"))

    assert first.status_code == 302
    require_page(second, "The limit of 1 uploads a minute is reached.")


def test_connection_test_by_htmx_is_refused_in_place(
    operator: Client, harness: Harness
) -> None:
    path = f"/connections/{harness.object().connection.code}/test/"
    headers = {"HX-Request": "true"}

    operator.post(path, headers=headers)
    answer = operator.post(path, headers=headers)

    require_page(answer, "The limit of 1 connection tests a minute is reached.")
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/connections/{code}/test/",
        "/connections/{code}/fetch-objects/",
        "/objects/{pk}/refresh/",
        "/objects/{pk}/request/send/",
    ],
)
def test_request_that_waits_for_zendesk_needs_a_place(
    operator: Client, harness: Harness, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    thing = harness.object()
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    waits.places.acquire()
    before = harness.sandbox.requests()

    answer = operator.post(path.format(code=thing.connection.code, pk=thing.pk))

    assert answer.status_code == 429
    assert "Jobs UI is busy" in answer.text
    assert harness.sandbox.requests() == before
