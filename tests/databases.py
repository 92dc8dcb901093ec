"""Databases and queues for processes that tests start. Each product has its own SQLite
and Valkey in its data directory. With JOBSUI_TEST_DATABASE_URL and
JOBSUI_TEST_REDIS_URL it has its own database and queue on those servers instead; they
are dropped at the end."""

import atexit
import hashlib
import os
import sqlite3
from contextlib import closing
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
    """Variables that name the database and queue of a product with this data directory.
    The same folder has the same ones each time."""
    variables = {"DATABASE_URL": fresh_database(folder)}
    if REDIS_SERVER:
        variables["REDIS_URL"] = fresh_queue(folder)
    return variables


@cache
def fresh_database(folder: Path) -> str:
    """The folder's database, which is empty at the first call."""
    if not DATABASE_SERVER:
        return f"sqlite:///{folder / 'jobsui.sqlite3'}"
    name = f"jobsui_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    _at_server(drop)
    _at_server(f'CREATE DATABASE "{name}"')
    atexit.register(_at_server, drop)
    return urlsplit(DATABASE_SERVER)._replace(path=f"/{name}").geturl()


@cache
def fresh_queue(_folder: Path) -> str:
    """A Redis database for this folder alone."""
    with Redis.from_url(REDIS_SERVER) as server:
        number = server.incr("given")
    url = urlsplit(REDIS_SERVER)._replace(path=f"/{number}").geturl()
    with Redis.from_url(url) as queue:
        queue.flushdb()
    return url


def query(url: str, sql: str, *values: Any) -> Rows:
    """The rows that a statement finds, in either kind of database. A question mark
    stands for each value."""
    if urlsplit(url).scheme == "sqlite":
        path = unquote(urlsplit(url).path.removeprefix("/"))
        opened = sqlite3.connect(path, timeout=20, isolation_level=None)
        with closing(opened) as database:
            return database.execute(sql, values).fetchall()
    in_postgres = sql.replace("%", "%%").replace("?", "%s")
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(in_postgres.encode(), values)
        return cursor.fetchall() if cursor.description else []


def _at_server(sql: str) -> None:
    with psycopg.connect(DATABASE_SERVER, autocommit=True) as connection:
        connection.execute(sql.encode())
