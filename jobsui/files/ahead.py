"""Work in a thread of its own. pyarrow and file systems release the interpreter lock, so two
cores are used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

END = object()


def ahead[T](items: Iterator[T]) -> Iterator[T]:
    """The items. While one is used, the next one is made."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, END)
        while (item := coming.result()) is not END:
            coming = thread.submit(next, items, END)
            yield item  # type: ignore[misc]
