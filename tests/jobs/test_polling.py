from datetime import UTC, datetime
from typing import cast

import pytest

from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.delivery.call_threads import RunningBatch
from jobsui.jobs.delivery.polling import Conditions, poll_interval
from jobsui.jobs.delivery.running_batches import RunningBatches
from jobsui.jobs.enums import Action
from jobsui.jobs.timing import Timing
from jobsui.zendesk.client import Client


@pytest.mark.parametrize(
    ("duration", "rate", "response_time", "how", "least", "most"),
    [
        # Limited by the window: as often as min_poll_interval allows ...
        (1, 41, 0.02, "known", 0.25, 0.3),
        # ... but each poll reports at least four batches.
        (10, 41, 0.02, "known", 1.3, 1.8),
        (10, 3.3, 0.15, "known", 1.3, 2.5),
        # Bound by the rate: while the window has room, a late poll costs nothing.
        (1, 11.5, 0.02, "known", 1.5, 3),
        (1, 3.3, 0.15, "known", 6, 10),
        # Early sending does not need to know that slots are free.
        (5, 3.3, 0.15, "early", 8, 10),
        (1, 41, 0.02, "early", 0.25, 0.4),
        # With reported slots a poll only brings results.
        (1, 41, 0.02, "reported", 0.4, 0.8),
        (10, 41, 0.02, "reported", 5, 8),
        # Never less often, so that people see progress.
        (600, 3.3, 0.15, "known", 10, 10),
    ],
)
def test_poll_interval(
    duration: float,
    rate: float,
    response_time: float,
    how: str,
    least: float,
    most: float,
) -> None:
    conditions = Conditions(
        duration=duration,
        window=30,
        rate=rate,
        burst=rate,
        response_time=response_time,
        early_send=how != "known",
        slots_reported=how == "reported",
    )

    interval = poll_interval(conditions, Timing())

    assert least <= interval <= most


def test_a_poll_asks_for_at_most_100_jobs() -> None:
    running = RunningBatches(Timing())
    for number in range(130):
        running.add(_running_batch(number))

    first = running.start_poll(1.0)
    second = running.start_poll(2.0)

    assert len(first) == 100
    assert {batch.status_id for batch in second} >= {str(n) for n in range(100, 130)}


def _running_batch(number: int) -> RunningBatch:
    request = BatchRequest(
        batch_id=number,
        job_id=1,
        attempt_id=number,
        action=Action.CREATE,
        object_key="gadget",
        client=cast(Client, None),
        connection_id=1,
        items=(),
        is_part=False,
        first_sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return RunningBatch(request, str(number), started_at=0.0)
