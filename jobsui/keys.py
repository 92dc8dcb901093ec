"""The keys of an installation: from the environment, else made once and kept in the
data directory; and the name of a place for files, kept beside them."""

import base64
import os
import secrets
import socket
from pathlib import Path

from jobsui.environment import env_secret


def secret_key(data_dir: Path) -> str:
    """Django's SECRET_KEY."""
    return env_secret("SECRET_KEY") or _kept(
        data_dir / "secret_key", secrets.token_urlsafe(64)
    )


def encryption_keys(data_dir: Path) -> list[bytes]:
    """32-byte keys, newest first; the newest encrypts, all of them decrypt.

    JOBSUI_ENCRYPTION_KEYS lists them in URL-safe base64 with commas between; a key file
    has one a line."""
    text = env_secret("JOBSUI_ENCRYPTION_KEYS") or _kept(
        data_dir / "encryption_keys", new_encryption_key()
    )
    return [
        base64.urlsafe_b64decode(part)
        for part in text.replace("\n", ",").split(",")
        if part.strip()
    ]


def new_encryption_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def storage_id(folder: Path) -> str:
    """The name of this place for files: hosts that share the folder share the name, all
    others differ."""
    return _kept(
        folder / "storage_id", f"{socket.gethostname()[:60]}-{secrets.token_hex(4)}"
    )


def _kept(path: Path, fresh: str) -> str:
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written under a name of its own and linked into place: of two processes that start
    # at once, one link fails and reads what the other wrote, and nobody ever reads half
    # a key.
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(fresh)
    try:
        os.link(draft, path)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    finally:
        draft.unlink()
    return fresh
