"""Making the first administrator: whoever can read the server's console may, nobody
else."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User


def is_due() -> bool:
    """Whether there is nobody yet who could sign in."""
    return not User.objects.exists()


def make_token() -> str:
    """The one-time token, made anew if there is none; for the console alone."""
    path = _path()
    if path.exists():
        return path.read_text(encoding="utf-8")
    token = secrets.token_urlsafe(24)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(token)
    return token


def token_matches(text: str) -> bool:
    path = _path()
    return path.exists() and secrets.compare_digest(path.read_bytes(), text.encode())


def done() -> None:
    """The token has served."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    return Path(settings.DATA_DIR) / "first_run_token"
