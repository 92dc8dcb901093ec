"""Every route of the pages, and a harness in which each of them has something to
show."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from jobsui.access import tokens
from jobsui.access.models import ApiToken
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.models import Job
from tests.factories import make_user
from tests.web import stages


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> list[str]:
    """All of them as they are written down, such as "jobs/<uuid:code>/pause/"; not
    those of programs, which have a matrix of their own (tests/api/test_access.py)."""
    found = []
    for entry in (
        get_resolver("jobsui.web.urls").url_patterns if patterns is None else patterns
    ):
        written = prefix + str(entry.pattern)
        if written == "api/":
            continue
        found += (
            routes(entry.url_patterns, written)
            if isinstance(entry, URLResolver)
            else [written]
        )
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Furnished:
    connection: Connection
    object: CustomObject
    job: Job
    draft: Job
    person: User
    token: ApiToken
    """Of the person."""

    def path(self, route: str) -> str:
        """An address of the route, of something that is there."""
        if route.startswith("connections/"):
            code = self.connection.code
        else:
            code = (self.draft if route.startswith("jobs/new/") else self.job).code
        things = {"people": self.person, "tokens": self.token}
        pk = things.get(route.partition("/")[0], self.object).pk
        values = {
            "<uuid:code>": code,
            "<int:pk>": pk,
            "<int:seq>": 1,
            "<str:status_id>": "01STATUS",
        }
        for written, value in values.items():
            route = route.replace(written, str(value))
        return f"/{route}"


def furnish() -> Furnished:
    """One of each, and one more person."""
    thing = stages.gadget()
    job = stages.settled(stages.ROWS, stages.failed())
    person = make_user("somebody")
    token, _ = tokens.create(person, "nightly import")
    return Furnished(thing.connection, thing, job, stages.checked(), person, token)
