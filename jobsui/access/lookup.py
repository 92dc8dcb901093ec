"""Finding things for somebody, and whether they may see them. No view looks anything up
by itself; what is not there, or not for them, is a 404.

Everybody who is signed in is an operator: they use connections and run jobs.
Administrators (Django's superusers) also keep connections, their secrets, and people. A
program sees what the owner of its token sees, or of that only what belongs to the one
connection the token is bound to."""

from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from jobsui.access.models import ApiToken
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import MOVING, UNLAUNCHED, JobState
from jobsui.jobs.models import Batch, Cause, File, Job
from jobsui.jobs.models.file import ITEMS
from jobsui.jobs.models.job import JobQuerySet

ATTENTION = (JobState.FAILED, JobState.NEEDS_DECISION, JobState.PAUSED)
"""A person has to do something."""

Principal = User | ApiToken
"""For whom something is looked up: a person, or a program by its token."""


def connections(who: Principal) -> QuerySet[Connection]:
    bound = _bound_to(who)
    return (
        Connection.objects.all()
        if bound is None
        else Connection.objects.filter(pk=bound)
    )


def connection(who: Principal, code: UUID) -> Connection:
    return get_object_or_404(connections(who), code=code)


def connections_called(who: Principal, text: str) -> QuerySet[Connection]:
    """Those of this name or code."""
    try:
        called = Q(name=text) | Q(code=UUID(text))
    except ValueError:
        called = Q(name=text)
    return connections(who).filter(called)


def connection_called(who: Principal, text: str) -> Connection:
    """The one of this name, else of this code."""
    called = connections_called(who, text)
    return called.filter(name=text).first() or get_object_or_404(called)


def objects(who: Principal) -> QuerySet[CustomObject]:
    known = CustomObject.objects.select_related("connection")
    bound = _bound_to(who)
    return known if bound is None else known.filter(connection=bound)


def custom_object(who: Principal, pk: int) -> CustomObject:
    return get_object_or_404(objects(who), pk=pk)


def object_of_key(who: Principal, connection: Connection, key: str) -> CustomObject:
    return get_object_or_404(objects(who), connection=connection, key=key)


def jobs(who: Principal) -> QuerySet[Job]:
    """Launched jobs, without their heavy columns."""
    launched = _all_jobs(who).launched().with_limit()
    return launched.select_related("connection", "file", "created_by").defer(
        "pace", "mapping", "limited_seconds"
    )


def drafts_and_jobs(who: Principal) -> QuerySet[Job]:
    """Drafts too, with what programs are told of a job."""
    shown = (
        _all_jobs(who)
        .with_limit()
        .select_related("connection", "file", "parent", "created_by")
    )
    heavy = (
        "mapping",
        "file__columns",
        "file__sample",
        "parent__mapping",
        "parent__pace",
        "parent__limited_seconds",
    )
    return shown.defer(*heavy, "limited_seconds")


def requested_jobs(who: Principal) -> QuerySet[Job]:
    """Jobs of items that came as Zendesk takes them, launched or on the way there,
    without their heavy columns."""
    requested = _all_jobs(who).filter(file__format=ITEMS)
    return requested.select_related("connection", "file").defer(
        "pace", "mapping", "limited_seconds"
    )


def overview(user: User) -> list[Job]:
    """By one query, newest first: at least the latest launched jobs, those that move or
    wait for a person, and the user's own drafts."""
    launched = Job.objects.launched()
    few = (
        launched.filter(state__in=MOVING)[:10],
        launched.filter(state__in=ATTENTION)[:10],
        launched.exclude(state__in=MOVING)[:10],
        Job.objects.drafts().filter(created_by=user)[:5],
    )
    # A union, each part by key: an OR of them would be asked of every job there is.
    # SQLite unites no slices as such.
    first, *others = (
        Job.objects.order_by().filter(pk__in=jobs.values("pk")).values("pk")
        for jobs in few
    )
    shown = Job.objects.filter(pk__in=first.union(*others))
    return list(
        shown.with_limit().select_related("connection", "file").defer("mapping")
    )


def job(who: Principal, code: UUID) -> Job:
    """A launched job."""
    return get_object_or_404(_shown(_all_jobs(who).launched()), code=code)


def draft(who: Principal, code: UUID) -> Job:
    """A draft; the team shares them, so that a colleague can open the link."""
    return get_object_or_404(
        _all_jobs(who).select_related("connection", "file"),
        code=code,
        state__in=UNLAUNCHED,
    )


def draft_or_job(who: Principal, code: UUID) -> Job:
    return get_object_or_404(_shown(_all_jobs(who)), code=code)


def cause(who: Principal, code: UUID, pk: int) -> Cause:
    return get_object_or_404(
        Cause.objects.filter(job__in=_all_jobs(who).order_by()), job__code=code, pk=pk
    )


def batch(who: Principal, code: UUID, seq: int) -> Batch:
    return get_object_or_404(
        Batch.objects.select_related("job__connection", "job__file"),
        job=job(who, code),
        seq=seq,
    )


def batch_by_id(who: Principal, pk: int) -> Batch:
    batches = Batch.objects.select_related("job__connection", "job__file").filter(
        job__in=_all_jobs(who).order_by()
    )
    return get_object_or_404(batches, pk=pk)


def file(who: Principal, code: UUID) -> File:
    """An uploaded file. Files belong to no connection, so a bound token sees those of
    its owner only."""
    files = (
        File.objects.all()
        if _bound_to(who) is None
        else File.objects.filter(uploaded_by=_person(who))
    )
    return get_object_or_404(files, code=code)


def people(user: User) -> QuerySet[User]:
    return User.objects.order_by("username")


def person(user: User, pk: int) -> User:
    return get_object_or_404(User, pk=pk)


def tokens(user: User) -> QuerySet[ApiToken]:
    """A person's own API tokens; an administrator sees everybody's."""
    every = ApiToken.objects.select_related("user", "connection")
    return every if user.is_superuser else every.filter(user=user)


def token(user: User, pk: int) -> ApiToken:
    return get_object_or_404(tokens(user), pk=pk)


def _all_jobs(who: Principal) -> JobQuerySet:
    bound = _bound_to(who)
    return Job.objects.all() if bound is None else Job.objects.filter(connection=bound)


def _shown(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.with_limit().select_related(
        "connection", "file", "parent", "cause", "created_by"
    )


def _bound_to(who: Principal) -> int | None:
    """The id of the only connection they may see; None: any."""
    return who.connection_id if isinstance(who, ApiToken) else None


def _person(who: Principal) -> User:
    return who.user if isinstance(who, ApiToken) else who
