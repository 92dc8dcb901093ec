from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobsui.access import factors


class Command(BaseCommand):
    help = (
        "Removes the second factors of a person who has lost them, and ends their sessions. "
        "Their password alone signs them in then. For the last administrator; the others "
        "ask one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is no person {options['username']!r}.")
        factors.remove_all(person)
        self.stdout.write(f"{person} can sign in with the password alone.")
