"""How many requests of a web process may wait for something outside it: a job, Zendesk, or a
client that sends a large body or takes a stream. The other threads stay free for pages. Jobs,
for which programs wait all the time, get at most half of the places."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

MAX_SMALL_BODY = 64 * 1024
"""In bytes. The web server gives a request to a thread when such a body has come."""
RETRY_AFTER_SECONDS = 5
"""For requests that find no place."""

MAX_PLACES = settings.WEB_THREADS - settings.FREE_WEB_THREADS

places = threading.BoundedSemaphore(MAX_PLACES)
job_places = threading.BoundedSemaphore(MAX_PLACES // 2)


@contextmanager
def place() -> Iterator[bool]:
    """Hold a place for the block. False: none is free, and the block must not wait."""
    with _held(places) as is_held:
        yield is_held


@contextmanager
def place_for_job() -> Iterator[bool]:
    """`place`, for a request that waits for a job."""
    with _held(job_places) as is_possible:
        if not is_possible:
            yield False
            return
        with place() as is_held:
            yield is_held


@contextmanager
def _held(semaphore: threading.BoundedSemaphore) -> Iterator[bool]:
    is_held = semaphore.acquire(blocking=False)
    try:
        yield is_held
    finally:
        if is_held:
            semaphore.release()
