"""Finds things that a user or program may see. Views look things up only here. They
raise Http404 for what does not exist or is not visible.

Every user who is signed in is an operator, who uses connections and runs jobs.
Administrators (Django's superusers) also manage connections, their secrets, and people.
A program sees what the owner of its token sees. A token that is bound to a connection
sees only what belongs to that connection."""

from contextlib import suppress
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from jobsui.access.models import ApiToken
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import MOVING, UNLAUNCHED, JobState
from jobsui.jobs.models import Batch, Cause, File, Job, SavedMapping
from jobsui.jobs.models.file import ITEMS
from jobsui.jobs.models.job import JobQuerySet

ATTENTION = (JobState.FAILED, JobState.NEEDS_DECISION, JobState.PAUSED)
"""States that need a person."""

FILE_COLUMNS = (
    "file__sample",
    "file__sample_kinds",
    "file__odd_rows",
    "file__proposals",
    "file__warnings",
)
LARGE_COLUMNS = ("pace", "mapping", "limited_seconds", *FILE_COLUMNS)
"""Lists do not show them."""
Principal = User | ApiToken
"""A user, or a program, represented by its token."""


def connections(who: Principal) -> QuerySet[Connection]:
    bound = _bound_to(who)
    if bound is None:
        return Connection.objects.all()
    return Connection.objects.filter(pk=bound)


def connection(who: Principal, code: UUID) -> Connection:
    return get_object_or_404(connections(who), code=code)


def connections_called(who: Principal, text: str) -> QuerySet[Connection]:
    """The connections with this name or code."""
    matches = Q(name=text)
    with suppress(ValueError):
        matches |= Q(code=UUID(text))
    return connections(who).filter(matches)


def connection_called(who: Principal, text: str) -> Connection:
    """The connection with this name, or else with this code."""
    found = connections_called(who, text)
    return found.filter(name=text).first() or get_object_or_404(found)


def objects(who: Principal) -> QuerySet[CustomObject]:
    known = CustomObject.objects.select_related("connection")
    bound = _bound_to(who)
    if bound is None:
        return known
    return known.filter(connection=bound)


def custom_object(who: Principal, pk: int) -> CustomObject:
    return get_object_or_404(objects(who), pk=pk)


def object_of_key(who: Principal, connection: Connection, key: str) -> CustomObject:
    return get_object_or_404(objects(who), connection=connection, key=key)


def jobs(who: Principal) -> QuerySet[Job]:
    """Launched jobs, without large columns."""
    launched = _all_jobs(who).launched().with_limit()
    related = launched.select_related("connection", "file", "created_by")
    return related.defer(*LARGE_COLUMNS)


def drafts_and_jobs(who: Principal) -> QuerySet[Job]:
    """Drafts and launched jobs, with what the REST API shows of a job."""
    every = _all_jobs(who).with_limit()
    related = every.select_related("connection", "file", "parent", "created_by")
    return related.defer(
        "mapping",
        "limited_seconds",
        "file__columns",
        "file__sample",
        "file__sample_kinds",
        "file__odd_rows",
        "file__proposals",
        "parent__mapping",
        "parent__pace",
        "parent__limited_seconds",
    )


def requested_jobs(who: Principal) -> QuerySet[Job]:
    """Jobs of the drop-in endpoint, drafts included, without large columns."""
    requested = _all_jobs(who).filter(file__format=ITEMS)
    return requested.select_related("connection", "file").defer(*LARGE_COLUMNS)


def overview(user: User) -> list[Job]:
    """The jobs of the home page, newest first, by one query: the latest launched jobs,
    those that move or need a person, and the user's own drafts."""
    launched = Job.objects.launched()
    groups = (
        launched.filter(state__in=MOVING)[:10],
        launched.filter(state__in=ATTENTION)[:10],
        launched.exclude(state__in=MOVING)[:10],
        Job.objects.drafts().filter(created_by=user)[:5],
    )
    # A union, because an OR would scan all jobs. SQLite does not allow a slice in a
    # union, so each slice becomes a subquery.
    first, *others = (
        Job.objects.order_by().filter(pk__in=group.values("pk")).values("pk")
        for group in groups
    )
    found = Job.objects.filter(pk__in=first.union(*others)).with_limit()
    return list(
        found.select_related("connection", "file").defer("mapping", *FILE_COLUMNS)
    )


def job(who: Principal, code: UUID) -> Job:
    """A launched job."""
    return get_object_or_404(_shown(_all_jobs(who).launched()), code=code)


def draft(who: Principal, code: UUID) -> Job:
    """A draft of anyone, so that a colleague can open its link."""
    drafts = _all_jobs(who).filter(state__in=UNLAUNCHED)
    return get_object_or_404(drafts.select_related("connection", "file"), code=code)


def draft_or_job(who: Principal, code: UUID) -> Job:
    return get_object_or_404(_shown(_all_jobs(who)), code=code)


def cause(who: Principal, code: UUID, pk: int) -> Cause:
    visible = Cause.objects.filter(job__in=_all_jobs(who).order_by())
    return get_object_or_404(visible, job__code=code, pk=pk)


def batch(who: Principal, code: UUID, seq: int) -> Batch:
    return get_object_or_404(_batches(), job=job(who, code), seq=seq)


def batch_by_id(who: Principal, pk: int) -> Batch:
    visible = _batches().filter(job__in=_all_jobs(who).order_by())
    return get_object_or_404(visible, pk=pk)


def file(who: Principal, code: UUID) -> File:
    """An uploaded file. Files belong to no connection, so a bound token sees only those
    of its owner."""
    files = File.objects.all()
    if isinstance(who, ApiToken) and who.connection_id is not None:
        files = files.filter(uploaded_by=who.user)
    return get_object_or_404(files, code=code)


def saved_mappings(who: Principal) -> QuerySet[SavedMapping]:
    """All versions."""
    known = SavedMapping.objects.select_related("connection", "created_by")
    bound = _bound_to(who)
    if bound is None:
        return known
    return known.filter(connection=bound)


def saved_mapping(who: Principal, pk: int) -> SavedMapping:
    return get_object_or_404(saved_mappings(who), pk=pk)


def people(_user: User) -> QuerySet[User]:
    return User.objects.order_by("username")


def person(_user: User, pk: int) -> User:
    return get_object_or_404(User, pk=pk)


def tokens(user: User) -> QuerySet[ApiToken]:
    """The user's own API tokens, or all tokens for an administrator."""
    every = ApiToken.objects.select_related("user", "connection")
    if user.is_superuser:
        return every
    return every.filter(user=user)


def token(user: User, pk: int) -> ApiToken:
    return get_object_or_404(tokens(user), pk=pk)


def _all_jobs(who: Principal) -> JobQuerySet:
    bound = _bound_to(who)
    if bound is None:
        return Job.objects.all()
    return Job.objects.filter(connection=bound)


def _shown(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.with_limit().select_related(
        "connection", "file", "parent", "cause", "created_by"
    )


def _batches() -> QuerySet[Batch]:
    return Batch.objects.select_related("job__connection", "job__file")


def _bound_to(who: Principal) -> int | None:
    """The primary key of the only connection visible to a bound token; None: all."""
    return who.connection_id if isinstance(who, ApiToken) else None
