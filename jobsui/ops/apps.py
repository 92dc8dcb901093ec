from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class OpsConfig(AppConfig):
    name = "jobsui.ops"


class StaticFiles(StaticFilesConfig):
    """Without the API library's second documentation viewer, which no page uses and which
    takes seconds to compress."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "redoc*"]  # noqa: RUF012  # as Django declares it
