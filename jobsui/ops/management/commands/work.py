from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobsui.jobs import queueing


class Command(BaseCommand):
    help = (
        "Run a worker for the queue drive (sends jobs), "
        "the queue work (reads, checks and plans files), or both."
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
