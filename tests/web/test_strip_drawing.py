from typing import Any

from jobsui.jobs.reports.batch_strip import Stretch
from jobsui.web import strip_drawing


def stretch(**rows: int) -> Stretch:
    counts: dict[str, Any] = dict.fromkeys(strip_drawing.LABELS, 0)
    return Stretch(first=1, last=1, **counts | rows)


def drawn(*stretches: Stretch) -> dict[str, str]:
    """{name of a layer: its path}."""
    layers = strip_drawing.draw(stretches).layers
    return {layer.name: layer.path for layer in layers}


def test_strip_draws_the_share_of_each_result() -> None:
    assert drawn(stretch(succeeded=75, failed=25)) == {
        "failed": "M0 0h1v6h-1z",
        "succeeded": "M0 6h1v18h-1z",
    }


def test_strip_that_is_mostly_good_is_mostly_green() -> None:
    assert drawn(stretch(succeeded=93, failed=7)) == {
        "failed": "M0 0h1v5h-1z",
        "succeeded": "M0 5h1v19h-1z",
    }


def test_strip_shows_one_failed_row_of_many() -> None:
    paths = drawn(stretch(succeeded=9999, failed=1))

    assert paths["failed"] == "M0 0h1v5h-1z"


def test_strip_joins_neighbours_that_look_alike() -> None:
    whole = stretch(succeeded=100)

    paths = drawn(whole, whole, stretch(in_flight=100), whole)

    assert paths == {
        "in-flight": "M2 0h1v24h-1z",
        "succeeded": "M0 0h2v24h-2zM3 0h1v24h-1z",
    }


def test_strip_columns_are_full_whatever_the_shares() -> None:
    heights = strip_drawing._heights(
        stretch(failed=1, uncertain=1, cancelled=1, waiting=1, in_flight=1, succeeded=1)
    )

    assert sum(heights.values()) == strip_drawing.HEIGHT


def test_strip_gives_problems_a_pattern() -> None:
    layers = strip_drawing.draw([stretch(failed=1, uncertain=1, succeeded=1)]).layers

    assert {layer.name: layer.has_pattern for layer in layers} == {
        "failed": True,
        "uncertain": True,
        "succeeded": False,
    }
