"""What the job status of a finished job says about its batch: the results of its rows, and
which rows are sent again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.enums import Outcome
from jobsui.jobs.models import RowResult
from jobsui.zendesk.payloads import JobStatus
from jobsui.zendesk.temporary_failures import TemporaryFailure, temporary_failure

logger = logging.getLogger(__name__)

MAX_REPEATS = 3
"""How often an item that failed for a temporary reason is sent again."""


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """Zendesk's job is over. Its failures were verified where that was needed."""

    request: BatchRequest
    status: JobStatus
    results: Mapping[int, RowResult]
    """By index in the batch; items that the job status does not name are left out."""
    send_again: frozenset[int] = frozenset()
    """The indexes of items that failed for a temporary reason, and can be sent again at
    once."""
    temporary_failures: int = 0
    """How many items failed for a temporary reason. `results` leaves them out."""
    failures_from_load: int = 0
    """How many items failed because many jobs change the same object."""

    @property
    def is_complete(self) -> bool:
        """Whether the job status tells of each item. Otherwise the batch becomes
        unconfirmed."""
        return len(self.results) + len(self.send_again) == len(self.request.items)

    @property
    def failures(self) -> int:
        """How many results are failures."""
        outcomes = [result.outcome for result in self.results.values()]
        return outcomes.count(Outcome.FAILED)

    def without_failures(self) -> "BatchFinished":
        """The failures of a batch that was sent again are not certain until its records
        were read."""
        certain = {
            index: result
            for index, result in self.results.items()
            if result.outcome != Outcome.FAILED
        }
        return replace(self, results=certain)


def finished_batch(request: BatchRequest, status: JobStatus) -> BatchFinished:
    """The batch of this request, whose job is over with this status."""
    results = _row_results(request, status)
    temporary = _temporary_failures(results)
    from_load = sum(failure.is_from_load for failure in temporary.values())
    if request.accepted_before >= MAX_REPEATS:
        temporary = {}
    for index in temporary:
        del results[index]
    # If an earlier request may have been applied, records are read first: somebody may
    # have changed them since.
    send_again = frozenset() if request.resent else frozenset(temporary)
    return BatchFinished(
        request,
        status,
        results,
        send_again,
        temporary_failures=len(temporary),
        failures_from_load=from_load,
    )


def _row_results(request: BatchRequest, status: JobStatus) -> dict[int, RowResult]:
    """No results if they cannot be understood: the batch is reconciled then, and the
    account's other jobs continue."""
    try:
        return batch_request.row_results(request, status)
    except Exception:
        logger.exception(
            "The results of batch %s cannot be understood.", request.batch_id
        )
        return {}


def _temporary_failures(
    results: Mapping[int, RowResult],
) -> dict[int, TemporaryFailure]:
    """The failures after which an item is worth sending again, by its index."""
    found = {}
    for index, result in results.items():
        if result.outcome != Outcome.FAILED:
            continue
        failure = temporary_failure(result.code, result.message)
        if failure is not None:
            found[index] = failure
    return found
