import uuid
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import models

from jobsui.connections.models import Connection
from jobsui.jobs.enums import FileState


def this_storage() -> str:
    """The name of the storage in which this host keeps files."""
    return str(settings.STORAGE_ID)


ITEMS = "items"
"""The format of a file of items that are ready to be sent, in one column of JSON
(mapping/raw_items.py)."""

NO_CELLS: dict[str, Any] = {
    "sample": [],
    "sample_kinds": {},
    "odd_rows": [],
    "warnings": [],
    "proposals": [],
}
"""{column that quotes cells of the file: its value once the content is deleted}."""


class File(models.Model):
    """An uploaded file, kept exactly as it came, and what was detected about it."""

    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=255)
    # A generated name in the default storage, never one that the uploader chose.
    stored_as = models.CharField(max_length=100)
    # The table in a form that is fast to read (files/staging.py), for check, planning and
    # exports. "" for old files and until it was read.
    staged_as = models.CharField(max_length=100, blank=True)
    # Only hosts that share this storage can read the file, so only their workers get
    # its tasks.
    storage_id = models.CharField(max_length=100, default=this_storage)
    state = models.CharField(
        max_length=10, choices=FileState, default=FileState.READING
    )
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    # The layout it was read with. People may correct it, and have the file read again.
    format = models.CharField(max_length=10, blank=True)
    encoding = models.CharField(max_length=40, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    sheet = models.CharField(max_length=255, blank=True)
    quoting = models.CharField(max_length=10, blank=True)
    # 0: detected, or the format has no header.
    header_row = models.PositiveIntegerField(default=0)
    # "shown": the values that a spreadsheet shows count, not the stored ones.
    values = models.CharField(max_length=10, blank=True)
    # {setting: value} of those that a person chose. The others are detected.
    chosen = models.JSONField(default=dict)
    # The sheets of a workbook, or the paths to the lists of a JSON document.
    sheets = models.JSONField(default=list)
    # The encodings that it may have, the best first, while a person must choose one:
    # objects with the encoding, and rows and texts of cells as they would read.
    proposals = models.JSONField(default=list)
    columns = models.JSONField(default=list)
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    rows_read = models.PositiveBigIntegerField(default=0)
    # The first rows: [[row number, [cell, ...]], ...].
    sample = models.JSONField(default=list)
    # {row number: {position of a cell: name of its Kind}} of cells of the sample without a
    # text of their own, such as null.
    sample_kinds = models.JSONField(default=dict)
    # The first rows that cannot be read: objects with the row, cells, reason and fix.
    odd_rows = models.JSONField(default=list)
    # {column: {decimal mark: how many of its values have it}} (files/number_styles.py).
    number_marks = models.JSONField(default=dict)
    # What people should know before the file is sent: objects with the code, message, fix,
    # column and count of a Notice (files/layout.py), and its samples as rows and values.
    warnings = models.JSONField(default=list)
    error = models.TextField(blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    # The connection of the token with which it was uploaded. None: it may be used for all.
    connection = models.ForeignKey(
        Connection, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # When the retention settings made the content unavailable (retention.py). None: it is
    # kept.
    content_pruned_at = models.DateTimeField(null=True, blank=True)
    # False once the content was deleted, after it became unavailable.
    has_content = models.BooleanField(default=True)

    class Meta:
        indexes = (
            # For pruning, which looks for old files that are still stored.
            models.Index(
                fields=["storage_id", "created_at"],
                condition=models.Q(has_content=True),
                name="file_with_content",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_here(self) -> bool:
        """Whether this host can read it."""
        return self.storage_id == this_storage()

    @property
    def is_raw_items(self) -> bool:
        """Its rows are sent as they are, without a mapping."""
        return self.format == ITEMS

    @property
    def content_name(self) -> str:
        """What check and planning read: the staged rows if there are any, else the file
        itself."""
        return self.staged_as or self.stored_as

    def delete_content(self) -> None:
        for name in filter(None, (self.stored_as, self.staged_as)):
            default_storage.delete(name)
