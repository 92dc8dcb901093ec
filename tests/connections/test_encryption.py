import pytest
from django.conf import LazySettings
from django.db import connection as database

from jobsui.connections import encryption
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.models import Connection
from tests.factories import make_connection

OLD, NEW = b"o" * 32, b"n" * 32
SECRET = "canary-c0ffee"


def test_secret_comes_back() -> None:
    assert (
        encryption.decrypt(encryption.encrypt("ä\n" * 999, location="a"), location="a")
        == "ä\n" * 999
    )


def test_same_secret_never_looks_the_same() -> None:
    assert encryption.encrypt(SECRET, location="a") != encryption.encrypt(
        SECRET, location="a"
    )


def test_secret_is_decrypted_in_its_location_only() -> None:
    with pytest.raises(SecretUnreadable):
        encryption.decrypt(
            encryption.encrypt(SECRET, location="connection:1:api_token"),
            location="connection:2:api_token",
        )


def test_old_key_decrypts_and_new_key_encrypts(settings: LazySettings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = encryption.encrypt(SECRET, location="a")
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    assert encryption.decrypt(sealed, location="a") == SECRET
    assert not encryption.is_current(sealed)
    assert encryption.is_current(encryption.encrypt(SECRET, location="a"))


def test_missing_key_raises(settings: LazySettings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = encryption.encrypt(SECRET, location="a")
    settings.ENCRYPTION_KEYS = [NEW]

    with pytest.raises(SecretUnreadable, match="JOBSUI_ENCRYPTION_KEYS"):
        encryption.decrypt(sealed, location="a")


@pytest.mark.parametrize(
    "damage",
    [lambda s: s[:-8], lambda s: s[:9], lambda s: s[:9] + "!!!", lambda s: s + "AAAA"],
)
def test_damaged_secret_is_never_returned(damage: object) -> None:
    sealed = encryption.encrypt(SECRET, location="a")

    with pytest.raises(SecretUnreadable):
        encryption.decrypt(damage(sealed), location="a")  # type: ignore[operator]


@pytest.mark.parametrize("stored", ["", "plain text", ":", SECRET])
def test_text_that_was_never_encrypted_is_unreadable(stored: str) -> None:
    with pytest.raises(SecretUnreadable):
        encryption.decrypt(stored, location="a")


@pytest.mark.usefixtures("db")
def test_database_never_holds_a_secret_in_plain() -> None:
    connection = make_connection()
    for name in Connection.SECRETS:
        connection.set_secret(name, f"{SECRET}-{name}")
    connection.save()
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM connections_connection")
        row = cursor.fetchall()

    assert SECRET not in str(row)
    stored = Connection.objects.get()
    assert [stored.secret(name) for name in Connection.SECRETS] == [
        f"{SECRET}-{name}" for name in Connection.SECRETS
    ]
    assert SECRET not in f"{stored} {stored!r} {vars(stored)}"


@pytest.mark.usefixtures("db")
def test_secret_moved_to_another_row_or_column_is_unreadable() -> None:
    first, second = make_connection(name="A"), make_connection(name="B")
    second.sealed_api_token = first.sealed_api_token
    first.sealed_access_token = first.sealed_api_token

    with pytest.raises(SecretUnreadable):
        second.secret("api_token")
    with pytest.raises(SecretUnreadable):
        first.secret("access_token")
