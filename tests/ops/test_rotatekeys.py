from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobsui.connections import credentials, encryption
from jobsui.connections.credentials import CLAIM_TIMEOUT
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.models import Connection
from tests.factories import make_connection

OLD = b"o" * 32
NEW = b"n" * 32

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rotated(settings: LazySettings) -> None:
    """Two connections with three secrets under the old key, and a new key in front of
    it."""
    settings.ENCRYPTION_KEYS = [OLD]
    make_connection(name="A")
    both = make_connection(name="B")
    both.set_secret("access_token", "access-of-b")
    both.save()
    settings.ENCRYPTION_KEYS = [NEW, OLD]


def rotated() -> str:
    out = StringIO()
    call_command("rotatekeys", stdout=out)
    return out.getvalue()


def test_secrets_are_readable_without_the_old_key(settings: LazySettings) -> None:
    assert rotated() == "3 secrets encrypted again under the newest key.\n"

    settings.ENCRYPTION_KEYS = [NEW]
    assert [
        connection.secret("api_token") for connection in Connection.objects.all()
    ] == ["token-of-acme"] * 2
    assert Connection.objects.get(name="B").secret("access_token") == "access-of-b"
    assert Connection.objects.filter(renewing_until=None).count() == 2


def test_second_run_changes_nothing() -> None:
    rotated()

    assert rotated() == "0 secrets encrypted again under the newest key.\n"


def test_interrupted_run_can_be_repeated() -> None:
    credentials.reseal(Connection.objects.get(name="A"))

    assert rotated() == "2 secrets encrypted again under the newest key.\n"


def test_secret_replaced_during_the_run_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = encryption.decrypt

    def replace_meanwhile(stored: str, *, location: str) -> str:
        fresh = Connection.objects.get(name="A")
        fresh.set_secret("api_token", "newer")
        fresh.save()
        return real(stored, location=location)

    monkeypatch.setattr(encryption, "decrypt", replace_meanwhile)
    assert credentials.reseal(Connection.objects.get(name="A")) == 0
    monkeypatch.undo()
    assert Connection.objects.get(name="A").secret("api_token") == "newer"


def test_unreadable_secret_is_reported_and_others_are_encrypted(
    settings: LazySettings,
) -> None:
    settings.ENCRYPTION_KEYS = [b"?" * 32]
    lost = make_connection(name="Aa lost")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    out = StringIO()

    with pytest.raises(CommandError, match=r"Keep the old keys\.\nAa lost: "):
        call_command("rotatekeys", stdout=out)

    assert out.getvalue() == "3 secrets encrypted again under the newest key.\n"
    with pytest.raises(SecretUnreadable):
        lost.secret("api_token")


def test_run_waits_for_a_renewal_in_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    Connection.objects.filter(name="A").update(
        renewing_until=timezone.now() + CLAIM_TIMEOUT
    )
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        Connection.objects.filter(name="A").update(renewing_until=None)

    monkeypatch.setattr("jobsui.connections.credentials.time.sleep", sleep)

    assert rotated() == "3 secrets encrypted again under the newest key.\n"
    assert len(sleeps) == 1
