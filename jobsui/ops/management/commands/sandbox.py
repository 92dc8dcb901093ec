import os
import sys
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Run the local Zendesk sandbox alone (docs/sandbox.md)."

    def run_from_argv(self, argv: list[str]) -> None:
        """Become the sandbox: a process of its own that shares no code with us and
        knows its own arguments."""
        os.execv(sys.executable, [sys.executable, "-m", "jobsui.sandbox", *argv[2:]])  # noqa: S606

    def handle(self, *args: Any, **options: Any) -> None:
        self.run_from_argv(["manage.py", "sandbox", *args])
