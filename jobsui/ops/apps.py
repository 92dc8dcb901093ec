from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class OpsConfig(AppConfig):
    name = "jobsui.ops"


class StaticFiles(StaticFilesConfig):
    """Without the second documentation viewer that comes with the API library:
    compressing it costs a start seconds, and nobody sees it."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "redoc*"]  # noqa: RUF012  # as Django declares it
