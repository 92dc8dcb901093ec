"""Reads settings from the environment. A value that is not valid is refused, with the
name of its variable."""

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

Database = dict[str, object]
Mailer = dict[str, object]
MAIL_PORTS = {"smtp": 587, "smtps": 465}
MAIL_SECONDS = 15
"""For each step of a conversation with the mail server."""


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, *, default: bool) -> bool:
    text = env_text(name).lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off, but it is {text!r}.")


def env_choice(name: str, choices: tuple[str, ...]) -> str:
    """One of the choices; "" if it is not set."""
    text = env_text(name).lower()
    if text and text not in choices:
        raise ImproperlyConfigured(
            f"{name} must be one of {', '.join(choices)}, but it is {text!r}."
        )
    return text


def env_int(name: str, *, default: int, minimum: int = 1) -> int:
    text = env_text(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < minimum:
        raise ImproperlyConfigured(
            f"{name} must be a whole number, {minimum} or more, but it is {text!r}."
        )
    return int(text)


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Values separated by commas."""
    values = [value.strip() for value in env_text(name).split(",")]
    return [value for value in values if value] or list(default)


def env_secret(name: str) -> str:
    """The content of the file that NAME_FILE names, or else the variable NAME; "" if
    neither is set."""
    path = env_text(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return env_text(name)


def database_from_url(url: str) -> Database:
    """Django's DATABASES entry for sqlite:///path or
    postgres://user:password@host:port/name."""
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": unquote(parts.path.removeprefix("/")),
                "OPTIONS": {
                    # Writers wait at BEGIN instead of failing later. What is committed
                    # survives a power cut.
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 20,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                },
            }
        case "postgres" | "postgresql":
            return {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": unquote(parts.path.removeprefix("/")),
                "USER": unquote(parts.username or ""),
                "PASSWORD": unquote(parts.password or ""),
                "HOST": parts.hostname or "",
                "PORT": str(parts.port or ""),
                "CONN_HEALTH_CHECKS": True,
                "CONN_MAX_AGE": 60,
            }
    raise ImproperlyConfigured(
        "DATABASE_URL must start with sqlite:/// or postgres://, "
        f"but its scheme is {parts.scheme!r}."
    )


def mail_from_url(text: str) -> tuple[dict[str, Mailer], str]:
    """(MAILERS, the sender's address) of "smtp://user:password@host:port?from=jobs@acme.com".
    smtp:// upgrades to TLS unless ?tls=off, smtps:// starts with it. For "": nothing is sent,
    and "" as the sender."""
    if not text:
        off: Mailer = {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
        return {"default": off}, ""
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query))
    if parts.scheme not in MAIL_PORTS or not parts.hostname:
        # It may have a password, so it is not repeated.
        raise ImproperlyConfigured(
            "EMAIL_URL must be like smtps://user:password@mail.example.com:465."
        )
    user = unquote(parts.username or "")
    sender = options.get("from", user if "@" in user else f"jobsui@{parts.hostname}")
    mailer: dict[str, object] = {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or MAIL_PORTS[parts.scheme],
            "username": user,
            "password": unquote(parts.password or ""),
            "use_ssl": parts.scheme == "smtps",
            "use_tls": parts.scheme == "smtp" and options.get("tls") != "off",
            "timeout": MAIL_SECONDS,
        },
    }
    return {"default": mailer}, sender


def close_to_others(database: Database) -> None:
    """Let only the owner read the files of an SQLite database. Older ones, and those of a
    backup, may be open to others."""
    if database["ENGINE"] != "django.db.backends.sqlite3":
        return
    for suffix in ("", "-wal", "-shm"):
        # The last process that closes a database deletes the other two.
        with suppress(FileNotFoundError):
            Path(f"{database['NAME']}{suffix}").chmod(0o600)
