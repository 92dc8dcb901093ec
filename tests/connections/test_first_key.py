"""The key of a new installation, which the migrations create."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from jobsui import keys
from jobsui.connections import encryption
from tests.factories import make_channel, make_connection

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(settings: LazySettings, tmp_path: Path) -> Path:
    """Of an installation without keys."""
    settings.ENCRYPTION_KEYS = []
    settings.DATA_DIR = tmp_path
    return tmp_path


def test_migrations_create_the_first_key_which_a_running_process_uses() -> None:
    with pytest.raises(encryption.SecretUnreadable, match=r"manage\.py migrate"):
        encryption.encrypt("x", location="a")

    call_command("migrate", verbosity=0)

    sealed = encryption.encrypt("x", location="a")
    assert encryption.decrypt(sealed, location="a") == "x"


def test_second_run_keeps_the_key(data_dir: Path) -> None:
    call_command("migrate", verbosity=0)
    first = keys.encryption_keys(data_dir)

    call_command("migrate", verbosity=0)

    assert keys.encryption_keys(data_dir) == first


def test_missing_key_of_stored_secrets_stops_the_migrations(
    data_dir: Path, settings: LazySettings
) -> None:
    settings.ENCRYPTION_KEYS = [b"o" * 32]
    make_connection()
    settings.ENCRYPTION_KEYS = []

    with pytest.raises(CommandError) as refusal:
        call_command("migrate", verbosity=0)

    assert str(refusal.value).startswith(
        "The encryption key of the stored secrets is missing. "
        "Set JOBSUI_ENCRYPTION_KEYS, or restore the file "
        f"{data_dir / 'encryption_keys'},"
    )
    assert list(data_dir.iterdir()) == []


def test_missing_key_of_other_rooms_stops_the_migrations(
    data_dir: Path, settings: LazySettings
) -> None:
    settings.ENCRYPTION_KEYS = [b"o" * 32]
    make_channel(None, url="https://hooks.example.com/x")
    settings.ENCRYPTION_KEYS = []

    with pytest.raises(CommandError, match="encryption key of the stored secrets"):
        call_command("migrate", verbosity=0)

    assert list(data_dir.iterdir()) == []


def test_key_from_the_environment_needs_no_file(
    data_dir: Path, settings: LazySettings
) -> None:
    settings.ENCRYPTION_KEYS = [b"o" * 32]

    call_command("migrate", verbosity=0)

    assert list(data_dir.iterdir()) == []
