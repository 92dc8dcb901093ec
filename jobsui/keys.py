"""The keys of an installation, from the environment or else created once in the data
directory; and the ID of its file storage, created in the same way."""

import base64
import os
import secrets
import socket
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from jobsui.environment import env_secret

KEY_BYTES = 32


def secret_key(data_dir: Path) -> str:
    """Django's SECRET_KEY."""
    from_environment = env_secret("SECRET_KEY")
    if from_environment:
        return from_environment
    return _read_or_create(data_dir / "secret_key", secrets.token_urlsafe(64))


def encryption_keys(data_dir: Path) -> list[bytes]:
    """32-byte keys, newest first. The newest encrypts, all of them decrypt. [] before
    the first one is created. Raises ImproperlyConfigured.

    JOBSUI_ENCRYPTION_KEYS holds them in URL-safe base64, separated by commas; a key file
    holds one per line."""
    text = env_secret("JOBSUI_ENCRYPTION_KEYS")
    path = key_file(data_dir)
    if text:
        return _decoded_keys(text, source="JOBSUI_ENCRYPTION_KEYS")
    if path.exists():
        return _decoded_keys(path.read_text(encoding="utf-8"), source=str(path))
    return []


def create_encryption_key(data_dir: Path) -> None:
    """Create the key file, if it does not exist."""
    _read_or_create(key_file(data_dir), new_encryption_key())


def key_file(data_dir: Path) -> Path:
    return data_dir / "encryption_keys"


def new_encryption_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _decoded_keys(text: str, *, source: str) -> list[bytes]:
    encoded = [key.strip() for key in text.replace("\n", ",").split(",")]
    keys = [_decoded_key(key, source) for key in encoded if key]
    if not keys:
        raise ImproperlyConfigured(f"{source} has no key.")
    return keys


def _decoded_key(encoded: str, source: str) -> bytes:
    try:
        key = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        # Without the key: this goes to logs.
        raise ImproperlyConfigured(
            f"Each key in {source} must be {KEY_BYTES} bytes in URL-safe base64, which are "
            "44 characters, but one is not. Restore what it was. "
            "docs/security.md says how to create a new key."
        )
    return key


def storage_id(folder: Path) -> str:
    """The ID of this file storage. Machines that share the folder share the ID."""
    unique = f"{socket.gethostname()[:60]}-{secrets.token_hex(4)}"
    return _read_or_create(folder / "storage_id", unique)


def _read_or_create(path: Path, value: str) -> str:
    """The content of the file. Without a file, `value`, which is written to it."""
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written to a file of this process and linked into place. If two processes start at
    # once, one link fails, and that process reads what the other wrote. No process reads
    # half a key.
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    finally:
        draft.unlink()
    return value
