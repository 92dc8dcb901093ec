from django.db import models

from jobsui.jobs.models.job import Job


class AccountFacts(models.Model):
    """What the check of a job has read in the account about the rows: which records and
    related records exist, of a sample. Kept until the job is planned, so that the planner
    warns of the same rows as the check."""

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="account_facts"
    )
    # {target key: values that name no record}, as the text of their JSON.
    missing_references = models.JSONField(default=dict)
    # Keys of the rows that have a record, and those that have none, as the text of their
    # JSON.
    existing_keys = models.JSONField(default=list)
    missing_keys = models.JSONField(default=list)
    # {name of a record: its external ID}.
    taken_names = models.JSONField(default=dict)
    # Whether rows leave blank or clear what a new record needs. Invalid rows count too.
    has_blanks = models.BooleanField(default=False)
    # What concerns the job as a whole, and what could not be read: [{"code", "message",
    # "fix", "count"}, ...]. About keys also a "proposal": {"target", "column", "rule",
    # "connection", "sampled", "exist", "would_exist", "examples": [{"before", "after",
    # "name"}, ...]}. It explains why few of the keys have a record; without a column,
    # there is nothing to set.
    notices = models.JSONField(default=list)
