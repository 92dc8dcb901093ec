import os
import sys
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run the local Zendesk sandbox alone (docs/sandbox.md)."

    def run_from_argv(self, argv: list[str]) -> None:
        """Replace this process with the sandbox, which shares no code with the product
        and parses its own arguments."""
        command = [sys.executable, "-m", "jobsui.sandbox", *argv[2:]]
        os.execv(sys.executable, command)  # noqa: S606

    def handle(self, *args: Any, **_options: Any) -> None:
        self.run_from_argv(["manage.py", "sandbox", *args])
