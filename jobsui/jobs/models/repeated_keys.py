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
    the job is planned. Rows with other problems do not count, so that corrections of them
    may change which rows these are."""

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="repeated_keys"
    )
    # zlib, JSON: {target key: [rows, first rows]}.
    packed_rows = models.BinaryField()
    # The same for all rows that have a key in common with another row, the first rows and
    # those with problems included. Empty: not known.
    packed_sharing = models.BinaryField(default=b"")

    @classmethod
    def packed(
        cls, job: Job, rows: Mapping[str, RowPairs], sharing: Mapping[str, RowPairs]
    ) -> "RepeatedKeys":
        return cls(job=job, packed_rows=_packed(rows), packed_sharing=_packed(sharing))

    @property
    def rows(self) -> dict[str, RowPairs]:
        """{target key: rows}."""
        return _unpacked(self.packed_rows)

    @property
    def sharing(self) -> dict[str, RowPairs]:
        """{target key: rows}."""
        return _unpacked(self.packed_sharing)


def _packed(rows: Mapping[str, RowPairs]) -> bytes:
    lists = {target: [list(each) for each in pair] for target, pair in rows.items()}
    return pack(json.dumps(lists).encode())


def _unpacked(packed: bytes | memoryview) -> dict[str, RowPairs]:
    lists = json.loads(unpack(packed))
    return {
        target: (array("q", rows), array("q", first_rows))
        for target, (rows, first_rows) in lists.items()
    }
