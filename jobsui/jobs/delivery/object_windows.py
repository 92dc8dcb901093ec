"""How many batches may run at once on one object.

Zendesk's jobs on the same object can deadlock: items then fail, and sending them again
succeeds. When that is frequent, fewer jobs at once are faster than many repeats."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from jobsui.jobs.delivery.batch_request import BatchRequest

FREQUENT_SHARE = 0.01
"""The share of items from which failures are frequent. With a hundred items in a batch,
nearly every batch is then sent twice."""
SHRINK_SHARE = 0.75
"""What remains of a window that shrinks. Half would waste more slots than the failures do."""
MIN_SIZE = 3
"""The smallest window. A program in production writes to custom objects with three requests at a
time because of deadlocks (docs/zendesk.md). Failures that do not come from load would shrink
the window for ever."""
MIN_BATCHES = 5
"""Over how many finished batches the share is measured at least."""


class ObjectWindow:
    """The window of one object. It shrinks by a quarter when failures from load are
    frequent, and grows by one with each round of batches in which they are rare."""

    def __init__(self) -> None:
        self.size: int | None = None
        """How many batches may run at once; None: any number."""
        self._in_flight = 0
        """The most batches that were in flight in this round."""
        self._outdated = 0
        """How many batches were sent before the window shrank."""
        self._batches = 0
        self._items = 0
        self._failed = 0

    def finished(self, items: int, failed: int, *, in_flight: int, limit: int) -> None:
        """A batch has finished, and `failed` of its items failed from load. `in_flight`
        counts the batches on the object, this one included; `limit` is what the account
        allows."""
        if self._outdated:
            self._outdated -= 1
            return
        self._in_flight = max(self._in_flight, in_flight)
        self._batches += 1
        self._items += items
        self._failed += failed
        if self._batches < max(MIN_BATCHES, self.size or 0):
            return
        if self._failed >= FREQUENT_SHARE * self._items:
            self._shrink(in_flight)
        elif self.size is not None:
            self._grow(limit)
        self._in_flight = 0
        self._batches = 0
        self._items = 0
        self._failed = 0

    def _shrink(self, in_flight: int) -> None:
        before = min(self._in_flight, self.size or self._in_flight)
        self.size = max(MIN_SIZE, int(SHRINK_SHARE * before))
        self._outdated = in_flight - 1

    def _grow(self, limit: int) -> None:
        grown = (self.size or 0) + 1
        self.size = grown if grown < limit else None


class ObjectWindows:
    """The windows of an account's objects, by object key."""

    def __init__(self) -> None:
        self._by_key: dict[str, ObjectWindow] = {}

    @property
    def limited(self) -> Collection[str]:
        """The keys of the objects on which the number of batches is limited."""
        return {key for key, window in self._by_key.items() if window.size is not None}

    def room(self, in_flight: Iterable[BatchRequest]) -> Mapping[str, int]:
        """{key of a limited object: how many more batches may run on it}."""
        limited = self.limited
        if not limited:
            return {}
        running = Counter(request.object_key for request in in_flight)
        return {key: (self._by_key[key].size or 0) - running[key] for key in limited}

    def finished(
        self, request: BatchRequest, failed: int, *, in_flight: int, limit: int
    ) -> None:
        """As ObjectWindow.finished, for the object of this request."""
        window = self._by_key.get(request.object_key)
        if window is None and not failed:
            return
        if window is None:
            window = ObjectWindow()
            self._by_key[request.object_key] = window
        items = len(request.items)
        window.finished(items, failed, in_flight=in_flight, limit=limit)
