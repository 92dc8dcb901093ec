"""Creating the first administrator. Only a person who can read the server's console
has the token for it."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User


def is_due() -> bool:
    """Whether there is no user yet who could sign in."""
    return not User.objects.exists()


def make_token() -> str:
    """The one-time token for the console, created if there is none."""
    path = _path()
    if path.exists():
        return path.read_text(encoding="utf-8")
    token = secrets.token_urlsafe(24)
    # Readable by its owner only, from the moment it exists.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(token)
    return token


def token_matches(text: str) -> bool:
    path = _path()
    if not path.exists():
        return False
    return secrets.compare_digest(path.read_bytes(), text.encode())


def discard_token() -> None:
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return Path(settings.DATA_DIR) / "first_run_token"
