import io

import pytest
from django.core.management.base import OutputWrapper

from jobsui.ops.terminal import ProgressBar, aligned, printable
from tests.ops.commands import Terminal
from tests.timing import FakeClock


@pytest.fixture(autouse=True)
def _forty_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "41")


def test_table_aligns_text_left_and_numbers_right() -> None:
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


def test_control_characters_are_not_printed() -> None:
    assert printable("a\x1b[2J\u202eb\tc\nNäme 漢") == "a\ufffd[2J\ufffdb c\nNäme 漢"
    assert aligned(["NAME"], [["a\x1bb"]]) == ["NAME", "a\ufffdb"]


def test_bar_fills_the_width_its_text_leaves() -> None:
    err = Terminal()
    bar = ProgressBar(OutputWrapper(err))

    bar.show("10 of 20 rows", 50)
    bar.show("10 of 20 rows, limited by a missing worker", 50)
    bar.clear()

    assert err.getvalue().split("\r")[1:] == [
        f"{'[########.........] ' + ' 50 %  10 of 20 rows':<40}",
        " 50 %  10 of 20 rows, limited by a missi",
        " " * 40,
        "",
    ]


def test_progress_without_terminal_is_a_line_now_and_then() -> None:
    clock = FakeClock()
    err = io.StringIO()
    bar = ProgressBar(OutputWrapper(err), clock=clock)

    for percent in range(100):
        clock.sleep(1)
        bar.show("some rows", percent)
    bar.clear()

    assert [line[:5] for line in err.getvalue().splitlines()] == [
        " 14 %",
        " 29 %",
        " 44 %",
        " 59 %",
        " 74 %",
        " 89 %",
    ]
