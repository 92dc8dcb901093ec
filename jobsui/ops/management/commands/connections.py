from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count, Q

from jobsui.connections.credential_facts import CredentialFacts, facts_of
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs.enums import OVER, UNLAUNCHED
from jobsui.ops.terminal import Exit, TerminalCommand

HEADER = (
    "NAME",
    "HOST",
    "PRODUCTION",
    "AUTHENTICATION",
    "LAST USED",
    "ENDS",
    "TESTED",
    "OPEN JOBS",
)


class Command(TerminalCommand):
    help = "List the connections: the Zendesk accounts that jobs can be sent to."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="one line of JSON per connection"
        )

    def run(self, options: dict[str, Any]) -> Exit:
        is_open = ~Q(jobs__state__in=(*OVER, *UNLAUNCHED))
        connections = list(
            Connection.objects.annotate(
                open_jobs=Count("jobs", filter=is_open)
            ).order_by("name")
        )
        if options["json"]:
            for connection in connections:
                self.write_json(_as_json(connection))
        elif connections:
            self.write_table(HEADER, map(_cells, connections))
        else:
            self.log("There are no connections. Create one on the page /connections/.")
        return Exit.ALL_SUCCEEDED


def _as_json(connection: Connection) -> dict[str, Any]:
    tested_at = connection.tested_at
    return {
        "id": connection.code,
        "name": connection.name,
        "host": connection.host,
        "production": connection.production,
        "auth_method": connection.sign_in,
        "credential": _credential(facts_of(connection)),
        "tested_at": tested_at.isoformat() if tested_at else None,
        "test_passed": connection.test_passed,
        "open_jobs": _open_jobs(connection),
    }


def _cells(connection: Connection) -> tuple[str | int, ...]:
    facts = facts_of(connection)
    return (
        connection.name,
        connection.host,
        "yes" if connection.production else "no",
        SignIn(connection.sign_in).label,
        _day(facts.last_used_at, "never"),
        _day(facts.expires_at, ""),
        _tested(connection),
        _open_jobs(connection),
    )


def _credential(facts: CredentialFacts) -> dict[str, Any]:
    used_at = facts.last_used_at
    expires_at = facts.expires_at
    return {
        "kind": facts.kind,
        "scopes": facts.scopes,
        "authenticated_as": facts.authenticated_as or None,
        "last_used_at": used_at.isoformat() if used_at else None,
        "expires_at": expires_at.isoformat() if expires_at else None,
    }


def _day(at: datetime | None, otherwise: str) -> str:
    return f"{at:%Y-%m-%d}" if at else otherwise


def _tested(connection: Connection) -> str:
    if connection.tested_at is None:
        return "never"
    result = "passed" if connection.test_passed else "failed"
    return f"{result} {connection.tested_at:%Y-%m-%d}"


def _open_jobs(connection: Connection) -> int:
    """The annotation of the query."""
    return int(vars(connection)["open_jobs"])
