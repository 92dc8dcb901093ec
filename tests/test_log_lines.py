"""What comes from outside cannot write lines of the log."""

import logging
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from jobsui.log_lines import LineFormatter


def line(message: str, *args: object) -> str:
    formatter = LineFormatter("{levelname} {message}", style="{")
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, message, args, None)
    return formatter.format(record)


def test_message_stays_in_its_line() -> None:
    path = "/api/v2/a\r\n2026-12-01 INFO jobsui: Signed in\x1b[2J\u2028\x85é"

    assert line("%s failed.", path) == (
        "ERROR /api/v2/a\\x0d\\x0a2026-12-01 INFO jobsui: Signed in\\x1b[2J\\u2028\\x85é failed."
    )


def test_traceback_keeps_its_lines() -> None:
    formatter = LineFormatter("{levelname} {message}", style="{")
    error = ValueError("a\nb")
    info = (type(error), error, None)
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "Failed.", (), info)

    assert formatter.format(record) == "ERROR Failed.\nValueError: a\nb"


def test_every_handler_of_ours_writes_such_lines() -> None:
    log: Any = settings.LOGGING
    names = {handler["formatter"] for handler in log["handlers"].values()}
    classes = {import_string(log["formatters"][name]["()"]) for name in names}

    assert classes == {LineFormatter}
