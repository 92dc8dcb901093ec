import argparse
from typing import Any

from django.core.management.base import CommandParser

from jobsui.access import tokens
from jobsui.access.models import Scope
from jobsui.ops import lookup
from jobsui.ops.terminal import Exit, TerminalCommand, could_not

LONGEST_NAME = 80
MOST_DAYS = 36_500


class Command(TerminalCommand):
    help = "Make an API token of a person. Standard output holds the token alone; it is never shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "username",
            metavar="USERNAME",
            help="whose token it is: it may do what they may, at most",
        )
        parser.add_argument(
            "--name", default="Made on the command line", help="what it is for"
        )
        parser.add_argument(
            "--scope",
            choices=Scope.values,
            default=Scope.RUN.value,
            help="run if not said",
        )
        parser.add_argument(
            "--connection",
            metavar="C",
            help="name or code of the only connection it may use",
        )
        parser.add_argument(
            "--expires", type=_days, metavar="DAYS", help="never, if not said"
        )

    def act(self, options: dict[str, Any]) -> Exit:
        owner = lookup.user(options["username"])
        name = options["name"].strip()
        connection = (
            lookup.connection(options["connection"]) if options["connection"] else None
        )
        if not 0 < len(name) <= LONGEST_NAME:
            raise could_not(
                f"Give the token a name of up to {LONGEST_NAME} characters."
            )
        scope = Scope(options["scope"])
        token, text = tokens.create(
            owner, name, scope=scope, connection=connection, days=options["expires"]
        )
        where = f"the connection {connection}" if connection else "every connection"
        until = (
            f"until {token.expires_at:%Y-%m-%d %H:%M} UTC"
            if token.expires_at
            else "without an end"
        )
        self.tell(
            f"A token of {owner}, {name!r}, for {where}, scope {scope.value}, {until}. It is not shown again:"
        )
        self.put(text)
        return Exit.ALL_SUCCEEDED


def _days(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= MOST_DAYS):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of days between 1 and {MOST_DAYS:,}."
        )
    return int(text)
