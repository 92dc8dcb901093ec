from django.db import models

from jobsui.jobs.enums import ListingState
from jobsui.jobs.models.record_read import RecordRead


class AccountListing(models.Model):
    """The records of the account, listed for a comparison that finds those that the file does
    not have. Such records become pages of their own behind those of the file
    (`models/record_rows.py`)."""

    read = models.OneToOneField(
        RecordRead, on_delete=models.CASCADE, primary_key=True, related_name="listing"
    )
    state = models.CharField(
        max_length=11, choices=ListingState, default=ListingState.LISTING
    )
    # Where the list and the export continue; "" at their beginning.
    list_cursor = models.TextField(blank=True)
    export_cursor = models.TextField(blank=True)
    # The account's time when the list began.
    began_at = models.DateTimeField(null=True)
    # How many records were listed, and how many of them have no external ID.
    listed = models.PositiveBigIntegerField(default=0)
    without_key = models.PositiveBigIntegerField(default=0)
    # How many were found that the file does not have, those without external ID included.
    only_in_account = models.PositiveBigIntegerField(default=0)
    # Those of them that fill no page yet: [{"id", "external_id"}, ...].
    waiting = models.JSONField(default=list)
    # Why changes during the list were not read, as a sentence; "": they were.
    not_caught_up = models.TextField(blank=True)
