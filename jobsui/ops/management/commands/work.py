from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobsui.jobs import queueing


class Command(BaseCommand):
    # `up` and the web process run the checks. Without them a worker starts, and starts
    # again after a crash, in two thirds of the time.
    requires_system_checks = ()
    help = (
        "Run a worker for the queue drive (sends jobs), the queue work (checks and plans "
        "files, and reads small ones), the queue read (reads files), the queue notify "
        "(sends messages), or all of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "queues",
            nargs="*",
            choices=[*queueing.QUEUES, []],
            default=list(queueing.QUEUES),
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        queueing.work(*options["queues"])
