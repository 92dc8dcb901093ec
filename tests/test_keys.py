import base64
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobsui import keys

FIRST, SECOND = b"1" * 32, b"\xff" * 32


def encoded(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


def test_hosts_that_share_a_folder_share_its_name_and_no_other_has_it(
    tmp_path: Path,
) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"

    names = [keys.storage_id(folder) for folder in (shared, shared, other)]

    assert names[0] == names[1] != names[2]


def test_keys_are_read_from_the_environment_and_else_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.encryption_keys(tmp_path) == []

    keys.key_file(tmp_path).write_text(f"{encoded(FIRST)}\n{encoded(SECOND)}\n")
    assert keys.encryption_keys(tmp_path) == [FIRST, SECOND]

    monkeypatch.setenv("JOBSUI_ENCRYPTION_KEYS", f"{encoded(SECOND)}, {encoded(FIRST)}")
    assert keys.encryption_keys(tmp_path) == [SECOND, FIRST]


@pytest.mark.parametrize(
    "text",
    [
        encoded(b"1" * 16),
        encoded(b"1" * 33),
        encoded(FIRST)[:-1],
        f"{encoded(FIRST)},!{encoded(SECOND)}",
        "a sentence that somebody chose as a key",
        ",",
    ],
)
def test_key_of_another_length_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    keys.key_file(tmp_path).write_text(text)
    with pytest.raises(ImproperlyConfigured) as in_file:
        keys.encryption_keys(tmp_path)
    monkeypatch.setenv("JOBSUI_ENCRYPTION_KEYS", text)
    with pytest.raises(ImproperlyConfigured) as in_environment:
        keys.encryption_keys(tmp_path)

    assert str(keys.key_file(tmp_path)) in str(in_file.value)
    assert "JOBSUI_ENCRYPTION_KEYS" in str(in_environment.value)
    for part in text.split(","):
        assert not part or part not in f"{in_file.value} {in_environment.value}"


def test_created_key_is_kept_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    keys.create_encryption_key(tmp_path)
    created = keys.encryption_keys(tmp_path)
    keys.create_encryption_key(tmp_path)

    assert [len(key) for key in created] == [32]
    assert keys.encryption_keys(tmp_path) == created
    assert keys.key_file(tmp_path).stat().st_mode & 0o777 == 0o600
