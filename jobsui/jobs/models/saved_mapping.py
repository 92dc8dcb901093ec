from django.conf import settings
from django.db import models

from jobsui.connections.models import Connection
from jobsui.jobs.enums import Action


class SavedMapping(models.Model):
    """A mapping with a name, for files of the same kind. Saving it again under its name
    adds a version, and the earlier ones stay."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="saved_mappings"
    )
    object_key = models.CharField(max_length=255)
    action = models.CharField(max_length=40, choices=Action)
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    # Of the file it was saved with, in their order.
    columns = models.JSONField()
    # As those of a job.
    mapping = models.JSONField()
    rules = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    # The file settings that a person had chosen (File.chosen).
    file_settings = models.JSONField(default=dict)
    # {target key: facts of the field then}, to name what has changed since.
    fields = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "-version")
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "object_key", "name", "version"],
                name="one_mapping_per_version",
            ),
        )

    def __str__(self) -> str:
        return self.name
