"""What a reader has in place of threads: greenlets of its process."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

from greenlet import GreenletExit, getcurrent

from tests.sim.hub import Process


class Finished(NamedTuple):
    """As `concurrent.futures.wait` returns it."""

    done: set[Future[Any]]
    not_done: set[Future[Any]]


class SimThreads:
    """In place of a ThreadPoolExecutor. Its user never has more calls at a time than
    threads."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._futures: list[Future[Any]] = []

    def submit[**P, T](
        self, call: Callable[P, T], *args: P.args, **options: P.kwargs
    ) -> Future[T]:
        future: Future[T] = Future()
        self._futures.append(future)
        self._process.start(lambda: _run(future, partial(call, *args, **options)))
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, GreenletExit):
            return
        while not all(future.done() for future in self._futures):
            self._process.sleep(0.1)


def wait_in(
    process: Process, futures: Collection[Future[Any]], timeout: float
) -> Finished:
    """Wait until one of these has ended, or for `timeout` seconds."""
    if futures and not any(future.done() for future in futures):
        waiting = getcurrent()
        is_over = False

        def end(_future: object = None) -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                process.hub.after(0.0, lambda: process.wake(waiting))

        for future in futures:
            future.add_done_callback(end)
        process.hub.after(timeout, end)
        process.hub.park()
    done = {future for future in futures if future.done()}
    return Finished(done, set(futures) - done)


def _run[T](future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except GreenletExit:
        raise
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
