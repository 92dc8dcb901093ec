import io
import time

import pytest
from django.core.management.base import OutputWrapper

from jobsui.ops.terminal import Meter, aligned, printable
from tests.ops.commands import Terminal


@pytest.fixture(autouse=True)
def _forty_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "41")


def test_table_has_words_to_the_left_and_numbers_to_the_right() -> None:
    lines = aligned(
        ["NAME", "ROWS", "FILE"], [["a", 12_000, "x.csv"], ["longer", 3, "y.csv"]]
    )

    assert lines == [
        "NAME      ROWS  FILE",
        "a       12,000  x.csv",
        "longer       3  y.csv",
    ]


def test_table_without_rows_is_its_header() -> None:
    assert aligned(["NAME", "ROWS"], []) == ["NAME  ROWS"]


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert printable("a\x1b[2J\u202eb\tc\nNäme 漢") == "a\ufffd[2J\ufffdb c\nNäme 漢"
    assert aligned(["NAME"], [["a\x1bb"]]) == ["NAME", "a\ufffdb"]


def test_bar_takes_the_room_that_its_words_leave() -> None:
    err = Terminal()
    meter = Meter(OutputWrapper(err))

    meter.show("10 of 20 rows", 50)
    meter.show("10 of 20 rows, held back by our workers", 50)
    meter.clear()

    assert err.getvalue().split("\r")[1:] == [
        f"{'[########.........] ' + ' 50 %  10 of 20 rows':<40}",
        " 50 %  10 of 20 rows, held back by our w",
        " " * 40,
        "",
    ]


def test_line_now_and_then_where_no_bar_can_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("jobsui.ops.terminal.time.monotonic", lambda: now)
    err = io.StringIO()
    meter = Meter(OutputWrapper(err))

    for percent in range(100):
        now += 1
        meter.show("some rows", percent)
    meter.clear()

    assert [line[:5] for line in err.getvalue().splitlines()] == [
        " 14 %",
        " 29 %",
        " 44 %",
        " 59 %",
        " 74 %",
        " 89 %",
    ]
