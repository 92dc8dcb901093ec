"""The options of runjob that say which live records are read, and what is sent because of
them."""

from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.options import Match
from jobsui.ops import match_options
from jobsui.ops.terminal import command_error


@dataclass(frozen=True, slots=True)
class Wanted:
    compare: bool
    only_existing: bool
    match: Match | None
    """None: the account need not match the file."""


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--compare",
        action="store_true",
        help="compare the rows with their records in Zendesk, and send only what differs",
    )
    parser.add_argument(
        "--only-existing",
        action="store_true",
        help=(
            "with create_or_update_by_external_id: update records and create none. Rows "
            "without a record fail and are not sent. Implies --compare"
        ),
    )
    match_options.add_arguments(parser)
    parser.add_argument(
        "--keep-undo",
        action="store_true",
        help=(
            "read and keep what the records hold right before each batch is sent, so "
            "that the job can be undone without --compare"
        ),
    )
    parser.add_argument(
        "--refuse-changed",
        choices=["off", "watched", "strict"],
        default="off",
        help=(
            "with --compare: rows whose values have changed since are not sent. strict "
            "reads the records of each batch again right before it is sent, watched only "
            "if the incremental export shows that one of them has changed"
        ),
    )


def wanted(options: dict[str, Any]) -> Wanted:
    """Raises CommandError for options that do not fit together."""
    action = Action(options["action"])
    only_existing = options["only_existing"]
    match = match_options.wanted(options)
    compare = options["compare"] or only_existing or match is not None
    if only_existing and action is not Action.UPSERT_BY_EXTERNAL_ID:
        raise command_error(
            "--only-existing is for the action create_or_update_by_external_id. Leave it "
            "out: an update creates no records."
        )
    if compare and not action.key:
        raise command_error(
            "New records have no record in Zendesk to be compared with. "
            "Leave --compare out."
        )
    if options["refuse_changed"] != "off" and not compare:
        raise command_error(
            "--refuse-changed needs what the records held before. Add --compare."
        )
    return Wanted(compare, only_existing, match)
