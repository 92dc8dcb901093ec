"""Secrets at rest: AES-256-GCM under a named key, bound to the row and field they
belong to, their location."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from jobsui import keys


class SecretUnreadable(Exception):
    """No key of this installation decrypts the stored secret, or it was copied from
    another row or field."""


def known_keys() -> list[bytes]:
    """Newest first. [] before the first one is created."""
    configured: list[bytes] = settings.ENCRYPTION_KEYS
    # A process may have started before the first key was created.
    return configured or keys.encryption_keys(settings.DATA_DIR)


def key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


def encrypt(text: str, *, location: str) -> str:
    """`KEY ID:NONCE AND CIPHERTEXT`, readable only with the same `location`."""
    key = _newest_key()
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), location.encode())
    return f"{key_id(key)}:{base64.b64encode(sealed).decode()}"


def decrypt(stored: str, *, location: str) -> str:
    """Raises SecretUnreadable."""
    name, _, body = stored.partition(":")
    key = next((key for key in known_keys() if key_id(key) == name), None)
    if key is None:
        raise SecretUnreadable(
            f"JOBSUI_ENCRYPTION_KEYS lacks the key {name!r} that encrypted this secret. "
            "Add the key, or enter the secret again."
        )
    try:
        sealed = base64.b64decode(body, validate=True)
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], location.encode()).decode()
    except (InvalidTag, ValueError):
        raise SecretUnreadable(
            "This secret was altered or belongs to another connection. Enter it again."
        ) from None


def is_current(stored: str) -> bool:
    """Whether the newest key encrypted it."""
    return stored.startswith(f"{key_id(_newest_key())}:")


def _newest_key() -> bytes:
    if known := known_keys():
        return known[0]
    raise SecretUnreadable(
        "There is no encryption key. Run manage.py migrate, which creates the first one."
    )
