"""Work in a thread of its own. pyarrow and file systems release the interpreter lock, so two
cores are used."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle

END = object()


def ahead[T](items: Iterator[T]) -> Generator[T]:
    """The items. While one is used, the next one is made."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, END)
        while (item := coming.result()) is not END:
            coming = thread.submit(next, items, END)
            yield item  # type: ignore[misc]


def made_ahead[T, R](
    items: Iterator[T], makers: Sequence[Callable[[T], R]]
) -> Iterator[R]:
    """What the makers make of the items, in their order. Each maker works in a thread of its
    own, on one item at a time, while the consumer uses an earlier one."""
    coming: deque[Future[R]] = deque()
    with ThreadPoolExecutor(len(makers)) as threads:
        for make, item in zip(cycle(makers), items, strict=False):
            is_full = len(coming) == len(makers)
            made = [coming.popleft().result()] if is_full else []
            coming.append(threads.submit(make, item))
            yield from made
        while coming:
            yield coming.popleft().result()
