"""Reads forwarded for programs, each in its turn."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.db.models import F
from django.db.models.functions import Now

from jobsui.connections import proxy_reads
from jobsui.connections.models import Connection, ReadPace
from jobsui.zendesk.payloads import Response
from tests.factories import make_connection

pytestmark = pytest.mark.django_db(transaction=True)
PLACES = 2


@pytest.fixture
def acme(db: None) -> Connection:  # noqa: ARG001
    """60 reads per minute; 40 while a driver runs."""
    return make_connection(requests_per_minute=100, share=60)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(proxy_reads.time, "sleep", waited.append)  # type: ignore[attr-defined]
    return waited


@pytest.fixture
def zendesk(monkeypatch: pytest.MonkeyPatch) -> list[Response]:
    """Its next responses; 200 with {} when there are none."""
    responses: list[Response] = []

    def send(*_: Any) -> Response:
        return responses.pop() if responses else Response(200, {}, b"{}", 0.0)

    monkeypatch.setattr(proxy_reads, "_send", send)
    return responses


def read(connection: Connection, *, beside_driver: bool = False) -> Response:
    return proxy_reads.read(
        connection, "/api/v2/custom_objects", beside_driver=beside_driver
    )


@pytest.mark.usefixtures("zendesk")
def test_burst_of_reads_goes_at_once_and_others_wait_their_turn(
    acme: Connection, waits: list[float]
) -> None:
    for _ in range(8):
        read(acme)

    assert waits == pytest.approx([0, 0, 0, 0, 0, 1, 2, 3], abs=0.5)


@pytest.mark.usefixtures("zendesk")
def test_reads_beside_a_driver_get_what_it_leaves(
    acme: Connection, waits: list[float]
) -> None:
    for _ in range(7):
        read(acme, beside_driver=True)

    assert waits == pytest.approx([0, 0, 0, 0, 0, 1.5, 3], abs=0.5)


@pytest.mark.usefixtures("zendesk")
def test_reads_get_a_tenth_beside_a_driver_that_takes_all(
    acme: Connection, waits: list[float]
) -> None:
    acme.share = 100
    for _ in range(5):
        read(acme, beside_driver=True)

    with pytest.raises(proxy_reads.Busy) as busy:
        read(acme, beside_driver=True)

    assert waits == [0] * 5
    # The turn comes in six seconds, and a read waits for five.
    assert busy.value.retry_after == 1


@pytest.mark.usefixtures("zendesk")
def test_read_whose_turn_is_far_gets_retry_after(
    acme: Connection, waits: list[float]
) -> None:
    ReadPace.objects.create(host=acme.host, next_at="2026-01-01T00:00Z")
    ReadPace.objects.update(next_at=Now() + timedelta(seconds=4 + 5 + 20))

    with pytest.raises(proxy_reads.Busy) as busy:
        read(acme)

    assert busy.value.retry_after in {19, 20}
    assert waits == []


@pytest.mark.usefixtures("zendesk")
def test_clock_set_back_blocks_no_reads(acme: Connection, waits: list[float]) -> None:
    read(acme)
    ahead = timedelta(hours=5)
    ReadPace.objects.update(next_at=F("next_at") + ahead, set_at=F("set_at") + ahead)

    response = read(acme)

    assert response.status == 200
    assert waits == [0, 0]


@pytest.mark.usefixtures("zendesk")
def test_concurrent_first_reads_of_an_account_all_get_a_turn(
    acme: Connection, waits: list[float]
) -> None:
    """Another read creates the row between our update and our select."""
    updates: list[str] = []

    def create_row(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        done = execute(sql, *rest)
        if sql.startswith("UPDATE"):
            updates.append(sql)
            if len(updates) == 1:
                ReadPace.objects.create(host=acme.host, next_at=proxy_reads.LONG_AGO)
        return done

    with database.execute_wrapper(create_row):
        response = read(acme)

    assert response.status == 200
    assert waits == [0]
    assert len(updates) == 2


@pytest.mark.usefixtures("zendesk")
def test_accounts_do_not_wait_for_each_other(
    acme: Connection, waits: list[float]
) -> None:
    for _ in range(8):
        read(acme)

    read(make_connection(name="Other", host="other.zendesk.com"))

    assert waits[-1] == 0


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "40"}, 35),
        (429, {}, 25),
        (503, {"Retry-After": "40"}, 35),
    ],
)
@pytest.mark.usefixtures("waits")
def test_retry_after_of_zendesk_is_respected(
    acme: Connection,
    zendesk: list[Response],
    status: int,
    headers: dict[str, str],
    wait: int,
) -> None:
    zendesk.append(Response(status, headers, b"", 0.0))

    response = read(acme)
    with pytest.raises(proxy_reads.Busy) as busy:
        read(acme)

    assert response.status == status
    assert busy.value.retry_after in {wait - 1, wait}


def test_process_limits_its_concurrent_reads(
    acme: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(PLACES))
    all_sent = threading.Barrier(PLACES + 1)
    may_finish = threading.Event()

    def send_slowly(*_: Any) -> Response:
        all_sent.wait(60)
        may_finish.wait(60)
        return Response(200, {}, b"{}", 0.0)

    def read_in_thread() -> None:
        try:
            read(acme)
        finally:
            database.close()

    monkeypatch.setattr(proxy_reads, "_send", send_slowly)
    threads = [threading.Thread(target=read_in_thread) for _ in range(PLACES)]
    for thread in threads:
        thread.start()
    all_sent.wait(60)

    with pytest.raises(proxy_reads.Busy) as busy:
        read(acme)
    may_finish.set()
    for thread in threads:
        thread.join()

    monkeypatch.setattr(proxy_reads, "_send", lambda *_: Response(200, {}, b"{}", 0.0))
    assert busy.value.retry_after == 1
    assert read(acme).status == 200


def test_long_work_takes_as_many_turns_as_delay_nobody(acme: Connection) -> None:
    fast = make_connection(
        name="Fast", host="fast.zendesk.com", requests_per_minute=60_000, share=100
    )
    proxy_reads.take_free_turns(acme, beside_driver=False)
    proxy_reads.take_free_turns(fast, beside_driver=False)

    taken = proxy_reads.take_free_turns(acme, beside_driver=False)
    taken_of_fast = proxy_reads.take_free_turns(fast, beside_driver=False)

    assert taken == (1, 0.0)
    assert taken_of_fast == (proxy_reads.MAX_TAKEN, 0.0)
    none, seconds = proxy_reads.take_free_turns(acme, beside_driver=False)
    assert none == 0
    assert 0.5 < seconds <= 1
