"""The product's settings for processes that are killed and started again: whatever waits for time waits less."""

from datetime import timedelta

from django.apps import AppConfig

from jobsui.settings import *  # noqa: F403


class Hurried(AppConfig):
    name = "tests.acceptance"
    label = "hurried"

    def ready(self) -> None:
        from jobsui.jobs.engine import driving, pacing, reconciling  # noqa: PLC0415
        from jobsui.jobs.models import Lease  # noqa: PLC0415
        from jobsui.ops.management.commands import sweep  # noqa: PLC0415
        from tests import failpoints  # noqa: PLC0415

        Lease.TTL = timedelta(seconds=3)
        driving.RENEW_SECONDS, driving.STALE_SECONDS, driving.CALL_SECONDS = 0.5, 1.5, 5.0
        reconciling.QUIET = 2.0
        pacing.Durations.FIRST_GUESS = 1.0
        sweep.SECONDS = 1
        failpoints.arm_from_environment()


INSTALLED_APPS = [*INSTALLED_APPS, "tests.acceptance.hurried_settings.Hurried"]  # noqa: F405
