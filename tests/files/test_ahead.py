import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobsui.files.ahead import ahead, made_ahead
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

    found.close()

    assert not [
        thread for thread in threading.enumerate() if "ThreadPool" in thread.name
    ]


def test_what_is_made_comes_in_the_order_of_the_items() -> None:
    makers = [lambda item: item * 10, lambda item: item * 100]

    assert list(made_ahead(iter([1, 2, 3, 4, 5]), makers)) == [10, 200, 30, 400, 50]
    assert list(made_ahead(iter([]), makers)) == []


def test_makers_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    made = list(made_ahead(iter([1, 2]), [lambda _: both.wait() >= 0] * 2))

    assert made == [True, True]


def test_maker_has_one_item_at_a_time() -> None:
    found = []

    def maker() -> Callable[[int], int]:
        busy = threading.Lock()

        def make(item: int) -> int:
            found.append(busy.acquire(blocking=False))
            time.sleep(0.001 * (item % 3))
            busy.release()
            return item

        return make

    made = list(made_ahead(iter(range(30)), [maker(), maker()]))

    assert made == list(range(30))
    assert found == [True] * 30


def test_what_fails_in_a_maker_comes_in_its_turn() -> None:
    def refuse(_: int) -> int:
        raise FileRefused("Why.")

    made = made_ahead(iter([1, 2, 3]), [lambda item: item, refuse])

    assert next(made) == 1
    with pytest.raises(FileRefused, match="Why"):
        next(made)
