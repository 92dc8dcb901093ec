from django.db import models

from jobsui.jobs.models.file import File

MAX_STORED_VALUES = 500


class ColumnFacts(models.Model):
    """What reading a file has found out about one of its columns. Quotes cells, so it is
    deleted with the content of the file."""

    file = models.ForeignKey(
        File, on_delete=models.CASCADE, related_name="column_facts"
    )
    # In the order of the file, from 0.
    position = models.PositiveIntegerField()
    name = models.TextField()
    # How many cells have a text.
    filled = models.PositiveBigIntegerField()
    # Bytes of the longest text.
    longest = models.PositiveIntegerField()
    # How many different texts there are. None: too many to count, or long ones.
    distinct = models.PositiveIntegerField(null=True, blank=True)
    # [[text, how often]], the most frequent first, at most MAX_STORED_VALUES. [] when
    # `distinct` is None.
    values = models.JSONField(default=list)
    # {order: how many different dates only it explains}: "ymd", "dmy", "mdy", "either" for
    # those that are a date in two orders, and "undecided" (files/date_orders.py). {} when
    # there are no dates.
    date_orders = models.JSONField(default=dict)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(
                fields=["file", "position"], name="facts_once_per_column"
            ),
        )

    def __str__(self) -> str:
        return self.name
