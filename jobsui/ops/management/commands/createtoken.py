import argparse
from typing import Any

from django.core.management.base import CommandParser

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.ops import lookup
from jobsui.ops.terminal import Exit, TerminalCommand, command_error

MAX_NAME_LENGTH = 80
MAX_DAYS = 36_500


class Command(TerminalCommand):
    help = (
        "Create an API token. Standard output is the token alone; "
        "it cannot be shown again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "username",
            metavar="USERNAME",
            help="the owner; the token never exceeds the owner's permissions",
        )
        parser.add_argument(
            "--name",
            default="Created on the command line",
            help="what the token is for",
        )
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            default=Scope.RUN.value,
            help="run by default",
        )
        parser.add_argument(
            "--connection",
            metavar="C",
            help="name or code of the only connection the token may use",
        )
        parser.add_argument(
            "--expires", type=_days, metavar="DAYS", help="never by default"
        )

    def run(self, options: dict[str, Any]) -> Exit:
        owner = lookup.user(options["username"])
        connection = None
        if options["connection"]:
            connection = lookup.connection(options["connection"])
        name = options["name"].strip()
        if not 0 < len(name) <= MAX_NAME_LENGTH:
            raise command_error(
                f"Enter a name of 1 to {MAX_NAME_LENGTH} characters with --name."
            )
        scope = Scope(options["scope"])
        token, text = tokens.create(
            owner, name, scope=scope, connection=connection, days=options["expires"]
        )
        reach = f"connection {connection}" if connection else "all connections"
        expiry = "does not expire"
        if token.expires_at:
            expiry = f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC"
        self.log(
            f"Token {name!r} of {owner}: scope {scope.value}, {reach}, {expiry}. "
            "It cannot be shown again:"
        )
        self.write(text)
        return Exit.ALL_SUCCEEDED


def _days(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= MAX_DAYS):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of days between 1 and {MAX_DAYS:,}."
        )
    return int(text)
