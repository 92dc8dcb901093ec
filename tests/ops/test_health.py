from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client

from jobsui.jobs import queueing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that answers, and a database in which every migration is noted as done
    (tests make it without)."""
    monkeypatch.setattr(queueing, "is_reachable", lambda: True)
    monkeypatch.setattr("jobsui.ops.health.MigrationExecutor", Migrated)


class Migrated:
    plan: tuple[str, ...] = ()

    def __init__(self, _: object) -> None:
        self.loader = self.graph = self

    def leaf_nodes(self) -> list[str]:
        return []

    def migration_plan(self, _: object) -> tuple[str, ...]:
        return self.plan


def test_healthz_is_200_with_an_empty_body(client: Client) -> None:
    response = client.get("/healthz")

    assert response.status_code == 200
    assert response.content == b""
    assert response.cookies == {}


@pytest.mark.parametrize("headers", [{"host": "10.0.0.7:8000"}, {"host": ""}])
def test_healthz_accepts_any_host(client: Client, headers: dict[str, str]) -> None:
    assert client.get("/healthz", headers=headers).status_code == 200


def test_healthz_works_without_tls(client: Client, settings: LazySettings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200


def test_healthz_is_503_without_the_queue(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "is_reachable", lambda: False)

    assert client.get("/healthz").status_code == 503


def test_healthz_is_503_before_migrations(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Migrated, "plan", ("one to do",))

    assert client.get("/healthz").status_code == 503


def test_healthz_is_503_without_the_database(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(queueing, "is_reachable", lambda: True)
    connection.close()
    monkeypatch.setitem(
        connection.settings_dict, "NAME", tmp_path / "gone" / "jobsui.sqlite3"
    )

    status = client.get("/healthz").status_code

    monkeypatch.undo()
    connection.close()
    assert status == 503


def test_healthz_refuses_post(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
