"""What launching a compared job would do, in numbers."""

import math
from collections import Counter
from dataclasses import dataclass

from jobsui.jobs.enums import Verdict
from jobsui.jobs.live import deletions, left_out, not_sent
from jobsui.jobs.live.not_sent import KEY_NOT_FOUND
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import RecordRead
from jobsui.jobs.models.batch import MAX_BATCH_SIZE


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """Rows, unless something else is said."""

    changes: int
    creates: int
    deletes: int
    unknown: int
    """Sent as they are."""
    same: int
    missing: int
    ambiguous: int
    left_out: int
    """By a person. The other numbers are without them."""
    left_alone: int = 0
    """Rows whose kind of difference is left alone. The other numbers are without them."""
    records: int = 0
    """Records that only the account has and that are deleted. They do not count as rows."""

    @property
    def sent(self) -> int:
        """How many rows are sent."""
        return self.changes + self.creates + self.deletes + self.unknown

    @property
    def rows(self) -> int:
        not_sent = self.same + self.missing + self.ambiguous
        return self.sent + not_sent + self.left_out + self.left_alone

    @property
    def batches(self) -> int:
        """About how many batches: there are more if the rows of an action are far apart."""
        kinds = (
            self.changes,
            self.creates,
            self.deletes,
            self.unknown,
            self.records,
        )
        return sum(math.ceil(rows / MAX_BATCH_SIZE) for rows in kinds)


def of(read: RecordRead) -> PlannedRows:
    counts, unsent = by_verdict(read)
    options = Options.from_json(read.job.options)
    left_alone = 0
    for verdict, result in not_sent.results_of(options).items():
        rows = counts.pop(verdict)
        if result is KEY_NOT_FOUND:
            counts[Verdict.MISSING] += rows
        else:
            left_alone += rows
    records = 0
    if deletions.found_by(read):
        records = counts.pop(Verdict.DELETE)
        unsent.pop(Verdict.DELETE, 0)
        if not options.match or not options.match.deletes:
            records = 0
    return PlannedRows(
        changes=counts[Verdict.CHANGE],
        creates=counts[Verdict.CREATE],
        deletes=counts[Verdict.DELETE],
        unknown=counts[Verdict.UNKNOWN],
        same=counts[Verdict.SAME],
        missing=counts[Verdict.MISSING],
        ambiguous=counts[Verdict.AMBIGUOUS],
        left_out=unsent.total(),
        left_alone=left_alone,
        records=records,
    )


def by_verdict(read: RecordRead) -> tuple[Counter[Verdict], Counter[Verdict]]:
    """How many rows have each verdict: those that are not left out, and those that are."""
    counts = Counter(
        {verdict: read.counts.get(verdict.name.lower(), 0) for verdict in Verdict}
    )
    own = left_out.by_verdict(read)
    counts.subtract(own)
    return counts, own
