"""The account's unconfirmed batches: they may have been sent, and no reliable result is
known. The driver reconciles them."""

from collections.abc import Collection, Iterable, Mapping

from jobsui.jobs.delivery.call_threads import READ_THREADS


class UnconfirmedBatches:
    """What is known of each unconfirmed batch, by its id. Times are those of
    Clock.monotonic()."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        """The time since which a batch can no longer be in flight."""
        self._reconciling: set[int] = set()

    def __len__(self) -> int:
        return len(self._since)

    def add(self, batch_id: int, since: float) -> None:
        self._since[batch_id] = since

    def forget(self, batch_id: int) -> None:
        """The batch is sent again: what was known of its earlier requests no longer says
        when it can be in flight."""
        self._since.pop(batch_id, None)

    def replace(
        self, batch_ids: Iterable[int], now: float, *, unwritten: Collection[int] = ()
    ) -> None:
        """Replace the unconfirmed batches by these. New ones are unconfirmed since `now`.
        Those in `unwritten` stay: the database does not know of them yet."""
        stay = self._since.keys() & unwritten
        self._since = {pk: self._since.get(pk, now) for pk in {*batch_ids, *stay}}

    def waited(self, batch_id: int, now: float) -> float:
        """Seconds since the batch can no longer be in flight. 0 for a batch that a
        person has reopened after `replace`."""
        return now - self._since.get(batch_id, now)

    def due(self, waits: Mapping[int, float], interval: float) -> list[int]:
        """The ids of the batches to reconcile now: as many as there are free threads.
        `waits` has the seconds to wait for each unconfirmed batch, `interval` is the
        time between two reconciliations of a batch."""
        # No batch is postponed for longer than the interval. One that seems to be was
        # postponed before the database's clock was set back.
        due = [
            batch_id
            for batch_id, seconds in waits.items()
            if batch_id not in self._reconciling and not 0 < seconds <= interval
        ]
        return due[: max(0, READ_THREADS - len(self._reconciling))]

    def reconciliation_started(self, batch_id: int) -> None:
        self._reconciling.add(batch_id)

    def reconciliation_ended(self, batch_id: int) -> None:
        self._reconciling.discard(batch_id)
