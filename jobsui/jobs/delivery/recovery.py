"""Recovery: what a driver does about batches that were left between two states, by an
earlier driver or by a commit whose outcome is unknown."""

from collections.abc import Collection

from django.db import transaction

from jobsui.jobs import leases
from jobsui.jobs.delivery import claims, transitions
from jobsui.jobs.delivery.call_threads import RunningBatch
from jobsui.jobs.delivery.claims import ClientOf
from jobsui.jobs.delivery.unconfirmed import UnconfirmedBatches
from jobsui.jobs.enums import BatchState
from jobsui.jobs.models import Attempt
from jobsui.jobs.timing import Timing


def take_over(
    lease: leases.Held,
    account: str,
    client_of: ClientOf,
    unconfirmed: UnconfirmedBatches,
    timing: Timing,
) -> list[RunningBatch]:
    """Under a new lease: take over what an earlier driver left. Returns the batches that
    Zendesk accepted, to be polled. Those that were being sent become unconfirmed."""
    now = lease.clock.monotonic()
    # If the earlier driver is alive, it sent its last request within `lease_stale_after` of
    # its last renewal, and it lost its lease a TTL after that renewal.
    last_request_ends = timing.lease_stale_after + timing.request_timeout
    with transaction.atomic():
        leases.fence(lease)
        sending = list(claims.batches_in(BatchState.SENDING, account))
        transitions.interrupt(sending, timing, lease.clock.now())
        for batch in sending:
            # Not after the commit: if its outcome stays unknown, the next try does not find
            # this batch among those being sent.
            unconfirmed.add(batch.pk, now + last_request_ends - timing.lease_ttl)
        accepted, unreadable = claims.split_unreadable(
            claims.batches_in(BatchState.ACCEPTED, account).select_related(
                "job__connection", "blob"
            )
        )
        claims.settle_unreadable(unreadable)
        requests = claims.requests_of(accepted, client_of)
    return [
        RunningBatch(request, batch.status_id, started_at=None, seen_at=now)
        for batch, request in zip(accepted, requests, strict=True)
    ]


def put_back_unsent(
    lease: leases.Held,
    account: str,
    known_attempts: Collection[int],
    timing: Timing,
) -> None:
    """After a commit whose outcome is unknown: put back the batches that it claimed.

    They were not sent, because the driver sends only what it knows to be committed.
    `known_attempts` are the ids of the attempts that it did send."""
    with transaction.atomic():
        leases.fence(lease)
        without_result = Attempt.objects.filter(
            batch__in=claims.batches_in(BatchState.SENDING, account),
            epoch=lease.epoch,
            result="",
        )
        unsent = without_result.exclude(pk__in=known_attempts)
        attempts = list(unsent.select_related("batch"))
        transitions.put_back_unsent(attempts, timing, lease.clock.now())
