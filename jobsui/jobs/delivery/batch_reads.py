"""The batches of an account whose records are read before they are sent: from the round that
chooses them until the one that sends them. Runs in the driver's thread.

Each of them has a job slot and the tokens of two requests. Nothing of it is stored: a batch
that is not sent waits as before, and its records are read again."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from jobsui.jobs.delivery import read_claims
from jobsui.jobs.delivery.batch_request import BatchRequest
from jobsui.jobs.delivery.call_threads import Calls
from jobsui.jobs.delivery.fair_share import FairShare
from jobsui.jobs.delivery.prior_reads import PriorRead
from jobsui.jobs.delivery.rate_limits import Budget
from jobsui.jobs.delivery.read_claims import ReadClaims
from jobsui.jobs.models import Job


class BatchReads:
    """In three steps: chosen, being read, read."""

    def __init__(self, calls: Calls, budget: Budget, share: FairShare) -> None:
        self._calls = calls
        self._budget = budget
        self._share = share
        self.chosen: list[BatchRequest] = []
        """Their reads begin after this transaction."""
        self._open: dict[int, BatchRequest] = {}
        """Being read, or read and not sent yet, by batch."""
        self._read: list[PriorRead] = []
        """What was read since the last transaction."""

    def __len__(self) -> int:
        """How many have a job slot."""
        return len(self._open)

    def __iter__(self) -> Iterator[BatchRequest]:
        """Those that have a job slot."""
        yield from self._open.values()

    @property
    def batch_ids(self) -> set[int]:
        """All of them."""
        return {*self._open, *(request.batch_id for request in self.chosen)}

    @property
    def have_results(self) -> bool:
        """Whether a claim is due."""
        return bool(self._read)

    def begin(self) -> bool:
        """Read the records of the chosen batches. Returns whether a read has begun."""
        requests = self.chosen
        self.chosen = []
        has_begun = False
        for request in requests:
            # The post that follows is paid for now, or reads would take its token.
            if not self._budget.borrow():
                self._budget.give_back(1)
                self._share.recheck([request.job_id])
                continue
            self._share.sent(request.job_id)
            self._open[request.batch_id] = request
            self._calls.read_first(request)
            has_begun = True
        return has_begun

    def keep(self, read: PriorRead) -> None:
        """Keep what was read until the next transaction."""
        self._read.append(read)

    def claim(
        self, jobs: Mapping[int, Job], *, epoch: int, now: datetime
    ) -> ReadClaims:
        """Write the intent to send the batches whose records were read."""
        return read_claims.claim(
            self._read, jobs, self._calls.client, epoch=epoch, now=now
        )

    def sent(self, batch_id: int) -> bool:
        """Forget a batch that is being sent. False: it is none of these."""
        return self._open.pop(batch_id, None) is not None

    def drop_results(self, without: Collection[int] = ()) -> None:
        """Forget what was read. `without`: the batches that are sent."""
        for read in self._read:
            if read.request.batch_id not in without:
                self.drop(read.request)
        self._read.clear()

    def drop(self, request: BatchRequest) -> None:
        """The batch is not sent now."""
        del self._open[request.batch_id]
        self._budget.give_back(1)
        self._share.not_sent(request.job_id)
        self._share.recheck([request.job_id])

    def roll_back(self) -> None:
        """The transaction of a round has failed: forget what it chose, and what was read."""
        self.chosen.clear()
        self.drop_results()
