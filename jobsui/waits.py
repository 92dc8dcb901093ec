"""How many requests of a web process may wait for something outside it: a job, Zendesk, or a
client that sends a large body or takes a stream. The other threads stay free for pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

MAX_SMALL_BODY = 64 * 1024
"""In bytes. The web server gives a request to a thread when such a body has come."""
RETRY_AFTER_SECONDS = 5
"""For requests that find no place."""

places = threading.BoundedSemaphore(settings.WEB_THREADS - settings.FREE_WEB_THREADS)


@contextmanager
def place() -> Iterator[bool]:
    """Hold a place for the block. False: none is free, and the block must not wait."""
    is_held = places.acquire(blocking=False)
    try:
        yield is_held
    finally:
        if is_held:
            places.release()
