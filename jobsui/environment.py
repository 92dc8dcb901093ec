"""Reading settings from the environment: nonsense is refused with the variable's name,
never guessed at."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

Database = dict[str, object]


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
    raise ImproperlyConfigured(f"{name} must be on or off, not {text!r}.")


def env_int(name: str, *, default: int, least: int = 1) -> int:
    text = env_text(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of at least {least}, not {text!r}."
        )
    return int(text)


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    return [part.strip() for part in env_text(name).split(",") if part.strip()] or list(
        default
    )


def env_secret(name: str) -> str:
    """The variable itself, or the content of the file that NAME_FILE points at; "" when
    neither is set."""
    path = env_text(f"{name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if path else env_text(name)


def database_from_url(url: str) -> Database:
    """Django's DATABASES entry for a sqlite:///path or
    postgres://user:password@host:port/name address."""
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": unquote(parts.path.removeprefix("/")),
                "OPTIONS": {
                    # Writers queue at BEGIN instead of failing half way; a committed
                    # intent survives a power cut.
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
        f"DATABASE_URL must begin with sqlite:/// or postgres://, not {parts.scheme or 'nothing'!r}."
    )
