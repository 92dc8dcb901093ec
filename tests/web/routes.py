"""Every route of the pages, and a set of things so that each route has something to
show."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver

from jobsui.access import tokens
from jobsui.access.models import ApiToken
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import saved_mappings, undo
from jobsui.jobs.models import Correction, Job, SavedMapping
from jobsui.notifications import outbox
from jobsui.notifications.models import Channel
from tests.factories import make_channel, make_user
from tests.web import stages


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> list[str]:
    """All routes, such as "jobs/<uuid:code>/pause/", without those of the APIs
    (tests/api/test_access.py)."""
    if patterns is None:
        patterns = get_resolver("jobsui.web.urls").url_patterns
    found = []
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if route == "api/":
            continue
        if isinstance(entry, URLResolver):
            found += routes(entry.url_patterns, route)
        else:
            found.append(route)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Things:
    connection: Connection
    object: CustomObject
    job: Job
    draft: Job
    undo: Job
    """The draft of one."""
    correction: Correction
    """Of the draft."""
    person: User
    token: ApiToken
    """Of the person."""
    mapping: SavedMapping
    channel: Channel
    """With a message."""

    def path(self, route: str) -> str:
        """An address of the route, with the id of one of these things."""
        if route.startswith("connections/"):
            code = self.connection.code
        elif route.startswith("jobs/new/"):
            code = self.draft.code
        elif "/undo-plan/" in route:
            code = self.undo.code
        else:
            code = self.job.code
        with_numbers = {
            "people": self.person,
            "tokens": self.token,
            "mappings": self.mapping,
            "notifications": self.channel,
        }
        pk = with_numbers.get(route.partition("/")[0], self.object).pk
        if "/corrections/" in route:
            pk = self.correction.pk
        values = {
            "<uuid:code>": code,
            "<int:pk>": pk,
            "<int:seq>": 1,
            "<str:status_id>": "01STATUS",
            "<str:target>": "external_id",
        }
        for parameter, value in values.items():
            route = route.replace(parameter, str(value))
        return f"/{route}"


def create_things() -> Things:
    """One of each, and another person."""
    thing = stages.gadget()
    job = stages.settled(stages.ROWS, stages.failed())
    draft = stages.draft()
    correction = Correction.objects.create(
        job=draft, row=2, column="price", before="1", after="3"
    )
    stages.check(draft)
    person = make_user("somebody")
    token, _ = tokens.create(person, "nightly import")
    mapping = saved_mappings.save(job, "Monthly gadgets", by=person)
    channel = make_channel(thing.connection)
    outbox.write_test(channel)
    return Things(
        thing.connection,
        thing,
        job,
        draft,
        undo.create(job, by=person),
        correction,
        person,
        token,
        mapping,
        channel,
    )
