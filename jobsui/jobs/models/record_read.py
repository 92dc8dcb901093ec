from django.conf import settings
from django.db import models

from jobsui.jobs.enums import NameSource, Purpose, ReadState
from jobsui.jobs.models.job import Job

OPEN = (ReadState.DIVIDING, ReadState.READING)


class RecordRead(models.Model):
    """Reads the live record of each valid row of a job, for one purpose. The rows are divided
    into pages of up to 100, and a page is read with few requests."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="record_reads")
    purpose = models.CharField(max_length=8, choices=Purpose)
    state = models.CharField(
        max_length=9, choices=ReadState, default=ReadState.DIVIDING
    )
    # Why it failed, as a sentence; "" otherwise.
    reason = models.TextField(blank=True)
    # Changes with the rows that are read (`control/comparisons.py`).
    fingerprint = models.CharField(max_length=80)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # When the first and the last page were read.
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # Up to which row the rows are divided into pages.
    divided_row = models.PositiveBigIntegerField(default=0)
    pages_total = models.PositiveBigIntegerField(default=0)
    pages_read = models.PositiveBigIntegerField(default=0)
    # How records are found by name, once that is decided; "" for other keys.
    name_source = models.CharField(max_length=6, choices=NameSource, blank=True)
    # Of the list of all records: about how many there are, how many were listed, the cursor
    # behind them, and whether these are all.
    records_to_list = models.PositiveBigIntegerField(default=0)
    records_listed = models.PositiveBigIntegerField(default=0)
    list_cursor = models.TextField(blank=True)
    is_listed = models.BooleanField(default=False)
    # {verdict: how many rows}.
    counts = models.JSONField(default=dict)
    # {member or field: [how many cells change, how many of them become blank]}.
    changed_cells = models.JSONField(default=dict)
    # Of a proof: {key of a field: {form: [how many records hold its value in this form, what was
    # sent of one of them, what it holds]}}.
    other_forms = models.JSONField(default=dict)
    # What is to be left out once it is read: {"rows": RowRanges, "records": IDs of records that
    # only the account has} (`live/left_out.py`).
    left_out = models.JSONField(default=dict)
    # Raised by every change, so pages know whether they are current.
    version = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["job", "purpose"],
                condition=models.Q(state__in=[str(state) for state in OPEN]),
                name="one_open_read_per_purpose",
            ),
        )

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class ListedName(models.Model):
    """A record that may have the name of a row, from the list of all records. Deleted once
    the rows are compared."""

    read = models.ForeignKey(
        RecordRead, on_delete=models.CASCADE, related_name="listed", db_index=False
    )
    # Of `single_hash.hash_of`. Other names may have the same.
    name_hash = models.BigIntegerField()
    record_id = models.CharField(max_length=64)

    class Meta:
        indexes = (models.Index(fields=["read", "name_hash"], name="listed_name"),)


class ReadPage(models.Model):
    """Successive valid rows of a job: the unit that is read, decided and stored."""

    read = models.ForeignKey(RecordRead, on_delete=models.CASCADE, related_name="pages")
    # 1, 2, 3 ... in the order of the file.
    seq = models.PositiveIntegerField()
    size = models.PositiveSmallIntegerField()
    first_row = models.PositiveBigIntegerField()
    last_row = models.PositiveBigIntegerField()
    # None: it waits to be read.
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("read", "seq")
        constraints = (
            models.UniqueConstraint(fields=["read", "seq"], name="one_page_per_place"),
        )
        indexes = (
            # Small: few pages wait at a time.
            models.Index(
                fields=["read", "seq"],
                condition=models.Q(read_at=None),
                name="page_waiting",
            ),
        )


class ReadPageBlob(models.Model):
    """The bodies of a page.

    payload, rows    as those of a BatchBlob
    verdicts         one byte for each row: the code of its Verdict; b"" until it is read
    record_ids       a JSON list, compressed: the ID of each row's record, "" where it has
                     none; b"" until it is read
    images           what the records hold that change: JSON, compressed (`records/images.py`)
    notes            why rows are kept or cannot be undone: JSON, compressed
                     (`live/reasons.py`)
    left_out         the rows that a person has left out, as those of a BatchBlob; b"": none
    invalid          the problems of invalid rows up to the page's last one that are in no
                     page before: JSON, compressed (`live/stored_problems.py`)
    """

    page = models.OneToOneField(
        ReadPage, on_delete=models.CASCADE, primary_key=True, related_name="blob"
    )
    payload = models.BinaryField()
    rows = models.BinaryField()
    verdicts = models.BinaryField(default=bytes)
    record_ids = models.BinaryField(default=bytes)
    images = models.BinaryField(default=bytes)
    notes = models.BinaryField(default=bytes)
    left_out = models.BinaryField(default=bytes)
    invalid = models.BinaryField(default=bytes)
