from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count, Q

from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.enums import OVER, UNLAUNCHED
from jobsui.ops.terminal import Exit, TerminalCommand

HEADER = ("NAME", "HOST", "PRODUCTION", "SIGN-IN", "TESTED", "OPEN JOBS")


class Command(TerminalCommand):
    help = "List the connections: the Zendesk accounts that jobs can be sent to."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="a line of JSON for each"
        )

    def act(self, options: dict[str, Any]) -> Exit:
        is_open = Count("jobs", filter=~Q(jobs__state__in=(*OVER, *UNLAUNCHED)))
        found = list(Connection.objects.annotate(open_jobs=is_open).order_by("name"))
        if options["json"]:
            for connection in found:
                self.put_json(_facts(connection))
        elif found:
            self.put_table(HEADER, map(_cells, found))
        else:
            self.tell(
                "There are no connections yet. Add one on the page /connections/."
            )
        return Exit.ALL_SUCCEEDED


def _facts(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.code,
        "name": connection.name,
        "host": connection.host,
        "production": connection.production,
        "sign_in": connection.sign_in,
        "tested_at": connection.tested_at and connection.tested_at.isoformat(),
        "test_passed": connection.test_passed,
        "open_jobs": _open_jobs(connection),
    }


def _cells(connection: Connection) -> tuple[str | int, ...]:
    sign_in = SignIn(connection.sign_in).label
    production = "yes" if connection.production else "no"
    return (
        connection.name,
        connection.host,
        production,
        sign_in,
        _tested(connection),
        _open_jobs(connection),
    )


def _tested(connection: Connection) -> str:
    if connection.tested_at is None:
        return "never"
    return f"{'passed' if connection.test_passed else 'failed'} {connection.tested_at:%Y-%m-%d}"


def _open_jobs(connection: Connection) -> int:
    return int(vars(connection)["open_jobs"])
