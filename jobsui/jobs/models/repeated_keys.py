import json
from array import array
from collections.abc import Mapping

from django.db import models

from jobsui.jobs.models.batch import pack, unpack
from jobsui.jobs.models.job import Job

type RowPairs = tuple["array[int]", "array[int]"]
"""Row numbers, ascending, and for each the first row with the same key."""


class RepeatedKeys(models.Model):
    """The rows whose key an earlier row of the file has, as the check found them. Kept until
    the job is planned."""

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="repeated_keys"
    )
    # zlib, JSON: {target key: [rows, first rows]}.
    packed_rows = models.BinaryField()

    @classmethod
    def packed(cls, job: Job, rows: Mapping[str, RowPairs]) -> "RepeatedKeys":
        lists = {target: [list(each) for each in pair] for target, pair in rows.items()}
        return cls(job=job, packed_rows=pack(json.dumps(lists).encode()))

    @property
    def rows(self) -> dict[str, RowPairs]:
        """{target key: rows}."""
        lists = json.loads(unpack(self.packed_rows))
        return {
            target: (array("q", rows), array("q", first_rows))
            for target, (rows, first_rows) in lists.items()
        }
