"""Databases and queues for processes that tests start. Without JOBSUI_TEST_DATABASE_URL
and JOBSUI_TEST_REDIS_URL a product has its own SQLite and Valkey in its data directory;
with them, a database and a queue of its own on those servers, gone when the tests are
over."""

import atexit
import hashlib
import os
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from redis import Redis

DATABASE_SERVER = os.environ.get("JOBSUI_TEST_DATABASE_URL", "")
REDIS_SERVER = os.environ.get("JOBSUI_TEST_REDIS_URL", "")
ARE_SHARED = bool(DATABASE_SERVER and REDIS_SERVER)

Rows = list[tuple[Any, ...]]


def environment(folder: Path) -> dict[str, str]:
    """What tells a product with this data directory where its database and its queue
    are; the same each time."""
    found = {"DATABASE_URL": fresh_database(folder)}
    return found | ({"REDIS_URL": fresh_queue(folder)} if REDIS_SERVER else {})


@cache
def fresh_database(folder: Path) -> str:
    """The address of the database for this folder, empty when it is first asked for."""
    if not DATABASE_SERVER:
        return f"sqlite:///{folder / 'jobsui.sqlite3'}"
    name = f"jobsui_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    _at_server(drop)
    _at_server(f'CREATE DATABASE "{name}"')
    atexit.register(_at_server, drop)
    return urlsplit(DATABASE_SERVER)._replace(path=f"/{name}").geturl()


@cache
def fresh_queue(folder: Path) -> str:
    """The address of a Redis database for this folder, which nobody else is given."""
    with Redis.from_url(REDIS_SERVER) as server:
        url = urlsplit(REDIS_SERVER)._replace(path=f"/{server.incr('given')}").geturl()
    with Redis.from_url(url) as queue:
        queue.flushdb()
    return url


def query(url: str, sql: str, *values: Any) -> Rows:
    """What one statement finds, with a question mark for each value, whichever kind of
    database it is."""
    if urlsplit(url).scheme == "sqlite":
        database = sqlite3.connect(
            unquote(urlsplit(url).path.removeprefix("/")),
            timeout=20,
            isolation_level=None,
        )
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            sql.replace("%", "%%").replace("?", "%s").encode(), values
        )
        return found.fetchall() if found.description else []


def _at_server(sql: str) -> None:
    with psycopg.connect(DATABASE_SERVER, autocommit=True) as connection:
        connection.execute(sql.encode())
