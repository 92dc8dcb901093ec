from django.db import models

from jobsui.jobs.models.row import Cause


class ProblemRows(models.Model):
    """Some of the rows that have a problem of one kind, as the check found them. Kept until
    the job is over."""

    cause = models.ForeignKey(
        Cause, on_delete=models.CASCADE, related_name="problem_rows"
    )
    # Of all row numbers, those from part * ROWS_PER_PART on (ledger/row_sets.py).
    part = models.PositiveIntegerField()
    # zlib: one bit for each row number of the part.
    packed_bits = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["cause", "part"], name="problem_rows_once_per_part"
            ),
        )
