"""Finds things that a person or program may see. Views look things up only here. They
raise Http404 for what does not exist or is not visible, and NotAllowed for what is visible,
but may not be used for the `act` (`policy.py`)."""

from contextlib import suppress
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from jobsui.access import policy
from jobsui.access.models import ApiToken
from jobsui.access.policy import Act, Principal
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import approvals as control
from jobsui.jobs.enums import MOVING, JobState
from jobsui.jobs.models import Approval, Batch, Cause, File, Job, SavedMapping
from jobsui.jobs.models.file import ITEMS
from jobsui.jobs.models.job import JobQuerySet
from jobsui.notifications.models import Channel, ChannelQuerySet, Delivery

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


def connections(who: Principal, act: Act = Act.VIEW) -> QuerySet[Connection]:
    return Connection.objects.filter(policy.condition(who, act, "pk"))


def connection(who: Principal, code: UUID, act: Act = Act.VIEW) -> Connection:
    found = get_object_or_404(connections(who), code=code)
    policy.require(who, act, found.pk)
    return found


def connections_called(who: Principal, text: str) -> QuerySet[Connection]:
    """The connections with this name or code."""
    matches = Q(name=text)
    with suppress(ValueError):
        matches |= Q(code=UUID(text))
    return connections(who).filter(matches)


def connection_called(who: Principal, text: str, act: Act = Act.VIEW) -> Connection:
    """The connection with this name, or else with this code."""
    called = connections_called(who, text)
    found = called.filter(name=text).first() or get_object_or_404(called)
    policy.require(who, act, found.pk)
    return found


def objects(who: Principal, act: Act = Act.VIEW) -> QuerySet[CustomObject]:
    known = CustomObject.objects.select_related("connection")
    return known.filter(policy.condition(who, act, "connection"))


def custom_object(who: Principal, pk: int, act: Act = Act.VIEW) -> CustomObject:
    found = get_object_or_404(objects(who), pk=pk)
    policy.require(who, act, found.connection_id)
    return found


def object_of_key(
    who: Principal, connection: Connection, key: str, act: Act = Act.VIEW
) -> CustomObject:
    found = get_object_or_404(objects(who), connection=connection, key=key)
    policy.require(who, act, found.connection_id)
    return found


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


def approvals(user: User) -> QuerySet[Approval]:
    """Those that wait for a decision, the oldest first: the user may decide, or has asked."""
    may_decide = policy.condition(user, Act.APPROVE, "job__connection")
    visible = policy.condition(user, Act.VIEW, "job__connection")
    return control.waiting().filter(may_decide | (visible & Q(asked_by=user)))


def overview(user: User) -> list[Job]:
    """The jobs of the home page, newest first, by one query: the latest launched jobs,
    those that move or need a person, and the user's own drafts."""
    visible = _all_jobs(user)
    launched = visible.launched()
    groups = (
        launched.filter(state__in=MOVING)[:10],
        launched.filter(state__in=ATTENTION)[:10],
        launched.exclude(state__in=MOVING)[:10],
        visible.drafts().filter(created_by=user)[:5],
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


def job(who: Principal, code: UUID, act: Act = Act.VIEW) -> Job:
    """A launched job."""
    found = get_object_or_404(_shown(_all_jobs(who).launched()), code=code)
    policy.require(who, act, found.connection_id)
    return found


def draft_or_job(who: Principal, code: UUID, act: Act = Act.VIEW) -> Job:
    """A draft of anyone, so that a colleague can open its link; or a launched job."""
    found = get_object_or_404(_shown(_all_jobs(who)), code=code)
    policy.require(who, act, found.connection_id)
    return found


def cause(who: Principal, code: UUID, pk: int) -> Cause:
    visible = Cause.objects.filter(job__in=_all_jobs(who).order_by())
    return get_object_or_404(visible, job__code=code, pk=pk)


def batch(who: Principal, code: UUID, seq: int) -> Batch:
    """With what was sent and answered."""
    of_job = job(who, code, Act.SEE_BODIES)
    return get_object_or_404(_batches(), job=of_job, seq=seq)


def batch_by_id(who: Principal, pk: int) -> Batch:
    """With what was sent and answered."""
    visible = _batches().filter(job__in=_all_jobs(who).order_by())
    found = get_object_or_404(visible, pk=pk)
    policy.require(who, Act.SEE_BODIES, found.job.connection_id)
    return found


def file(who: Principal, code: UUID) -> File:
    """An uploaded file: of a visible job, or one of their own that no job has yet. A token
    that is bound to a connection sees only what was uploaded for this connection."""
    person = who.user if isinstance(who, ApiToken) else who
    jobs = Job.objects.filter(file=OuterRef("pk")).order_by()
    is_visible = Exists(jobs.filter(policy.condition(who, Act.VIEW, "connection")))
    is_own = Q(~Exists(jobs), uploaded_by=person)
    if isinstance(who, ApiToken) and who.connection_id is not None:
        is_own &= Q(connection=who.connection_id)
    return get_object_or_404(File, Q(is_visible) | is_own, code=code)


def saved_mappings(who: Principal) -> QuerySet[SavedMapping]:
    """All versions."""
    known = SavedMapping.objects.select_related("connection", "created_by")
    return known.filter(policy.condition(who, Act.VIEW, "connection"))


def saved_mapping(who: Principal, pk: int, act: Act = Act.VIEW) -> SavedMapping:
    found = get_object_or_404(saved_mappings(who), pk=pk)
    policy.require(who, act, found.connection_id)
    return found


def channels(who: User) -> ChannelQuerySet:
    """The channels of connections that somebody manages; those for all connections only for
    administrators."""
    every = Channel.objects.select_related("connection")
    if policy.is_administrator(who):
        return every
    managed = policy.condition(who, Act.MANAGE, "connection")
    return every.filter(managed, connection__isnull=False)


def channel(who: User, pk: int) -> Channel:
    """To see it means to manage it."""
    found = get_object_or_404(Channel.objects.select_related("connection"), pk=pk)
    if found.connection_id is None:
        if not policy.is_administrator(who):
            raise Http404
    elif not policy.allows(who, Act.VIEW, found.connection_id):
        raise Http404
    else:
        policy.require(who, Act.MANAGE, found.connection_id)
    return found


def messages(who: User) -> QuerySet[Delivery]:
    """What was sent to the channels that somebody manages."""
    related = Delivery.objects.select_related("notification", "channel__connection")
    return related.filter(channel__in=channels(who).order_by())


def people(_user: User) -> QuerySet[User]:
    return User.objects.order_by("username")


def person(_user: User, pk: int) -> User:
    return get_object_or_404(User, pk=pk)


def tokens(user: User) -> QuerySet[ApiToken]:
    """The user's own API tokens, or all tokens for an administrator."""
    every = ApiToken.objects.select_related("user", "connection")
    every = every.prefetch_related("user__role_assignments")
    if policy.is_administrator(user):
        return every
    return every.filter(user=user)


def token(user: User, pk: int) -> ApiToken:
    return get_object_or_404(tokens(user), pk=pk)


def _all_jobs(who: Principal) -> JobQuerySet:
    return Job.objects.filter(policy.condition(who, Act.VIEW, "connection"))


def _shown(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.with_limit().select_related(
        "connection__approval_rules", "file", "parent", "cause", "created_by"
    )


def _batches() -> QuerySet[Batch]:
    return Batch.objects.select_related("job__connection", "job__file")
