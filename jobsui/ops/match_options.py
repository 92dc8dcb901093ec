"""The options of runjob that make the account match the file, and the consent to delete
records."""

import argparse
import sys
from typing import Any

from django.core.management.base import CommandParser

from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import Action
from jobsui.jobs.live import deletions
from jobsui.jobs.mapping.options import Match
from jobsui.jobs.models import Job, RecordRead
from jobsui.ops.terminal import TerminalCommand, command_error
from jobsui.text import counted

DEFAULTS = Match()
NEEDS_MATCH = ("only_in_file", "different", "only_in_account", "max_percent")


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--match",
        action="store_true",
        help=(
            "with create_or_update_by_external_id: also find the records that only the account "
            "has, so that it can match the file. Deletes none without --only-in-account "
            "delete. Implies --compare"
        ),
    )
    parser.add_argument(
        "--only-in-file",
        choices=["create", "leave"],
        help="with --match: create the records that only the file has (the default), or not",
    )
    parser.add_argument(
        "--different",
        choices=["update", "leave"],
        help="with --match: update the records that differ (the default), or not",
    )
    parser.add_argument(
        "--only-in-account",
        choices=["leave", "delete"],
        help=(
            "with --match: leave the records alone that only the account has (the default), "
            "or delete them after all rows"
        ),
    )
    parser.add_argument(
        "--delete-at-most",
        type=_count,
        metavar="N",
        help=(
            "consent to delete up to N records: if there are more, nothing is sent. Without "
            "it, the number has to be typed on a terminal"
        ),
    )
    parser.add_argument(
        "--max-percent",
        type=_percent,
        metavar="P",
        help=(
            "with --match: if more than P percent of the records would be deleted, nothing "
            f"is sent; {DEFAULTS.max_percent:g} by default"
        ),
    )


def wanted(options: dict[str, Any]) -> Match | None:
    """None: the account need not match the file. Raises CommandError for options that do not
    fit together."""
    chosen = {name: options[name] for name in NEEDS_MATCH if options[name] is not None}
    at_most = options["delete_at_most"]
    if at_most is not None and options["only_in_account"] != "delete":
        raise command_error(
            "--delete-at-most is for records that only the account has. Add "
            "--only-in-account delete."
        )
    if not options["match"]:
        if chosen:
            name = min(chosen).replace("_", "-")
            raise command_error(f"--{name} needs --match.")
        return None
    if options["action"] != Action.UPSERT_BY_EXTERNAL_ID:
        raise command_error(
            "--match is for the action create_or_update_by_external_id."
        )
    if at_most is not None:
        chosen["max_records"] = at_most
    return Match(**chosen)


def confirmed_deletions(
    command: TerminalCommand, job: Job, read: RecordRead, *, at_most: int | None
) -> int:
    """How many records a compared job may delete because only the account has them. Asks on
    the terminal unless `at_most` was given. Raises NotPossibleNow, and CommandError without
    consent."""
    comparisons.require_usable(job)
    number = deletions.number_of(job, read)
    if number and at_most is None:
        _ask(command, number)
    return number


def _ask(command: TerminalCommand, number: int) -> None:
    records = counted(number, "record")
    if not sys.stdin.isatty():
        raise command_error(
            f"{records} would be deleted, so nothing was sent. Add --delete-at-most {number}, "
            "or run the command on a terminal."
        )
    command.stderr.write(f"Type {number} to delete {records}: ", ending="")
    command.stderr.flush()
    if sys.stdin.readline().strip().replace(",", "") != str(number):
        raise command_error("Nothing was sent.")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records.")
    return int(text)


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage.")
    return percent
