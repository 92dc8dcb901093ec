import threading
from collections.abc import Iterator

import pytest

from jobsui.files.ahead import ahead
from jobsui.files.errors import FileRefused


def test_items_come_in_their_order() -> None:
    assert list(ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
    assert list(ahead(iter(()))) == []


def test_next_item_is_made_while_one_is_used() -> None:
    is_made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        is_made.set()
        yield 2

    found = ahead(items())

    assert next(found) == 1
    assert is_made.wait(10)


def test_refusal_comes_behind_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise FileRefused("Why.")

    found = ahead(items())

    assert next(found) == 1
    with pytest.raises(FileRefused, match="Why"):
        next(found)


def test_consumer_may_stop() -> None:
    found = ahead(iter(range(5)))
    next(found)

    found.close()  # type: ignore[attr-defined]

    assert not [
        thread for thread in threading.enumerate() if "ThreadPool" in thread.name
    ]
