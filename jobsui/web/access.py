"""Finding things for a person, and whether they may. No view looks anything up by itself; what is not there, or not for
this person, is a 404.

Everybody who is signed in is an operator: they use connections and run jobs. Administrators (Django's superusers) also
keep connections, their secrets, and people.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import MOVING, UNLAUNCHED, JobState
from jobsui.jobs.models import Batch, Cause, Job
from jobsui.jobs.models.job import JobQuerySet

ATTENTION = (JobState.FAILED, JobState.NEEDS_DECISION, JobState.PAUSED)
"""A person has to do something."""


class HtmxRequest(HttpRequest):
    htmx: HtmxDetails
    user: User  # Nobody else gets past LoginRequiredMiddleware.


def admin_required[**P](
    view: Callable[Concatenate[HtmxRequest, P], HttpResponse],
) -> Callable[Concatenate[HtmxRequest, P], HttpResponse]:
    """Pages for administrators do not exist for others."""

    @wraps(view)
    def guarded(request: HtmxRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_superuser:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def go(request: HtmxRequest, to: str, *args: Any) -> HttpResponse:
    """A redirect; htmx, which would put the other page into a part of this one, is told to load it whole."""
    return HttpResponseClientRedirect(reverse(to, args=args)) if request.htmx else redirect(to, *args)


def takes_files[**P](view: Callable[P, HttpResponse]) -> Callable[P, HttpResponse]:
    """Marks a view whose requests may be as large as an upload (middleware.BodyLimit)."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def connections(user: User) -> QuerySet[Connection]:
    return Connection.objects.all()


def connection(user: User, code: UUID) -> Connection:
    return get_object_or_404(Connection, code=code)


def objects(user: User) -> QuerySet[CustomObject]:
    return CustomObject.objects.select_related("connection")


def custom_object(user: User, pk: int) -> CustomObject:
    return get_object_or_404(objects(user), pk=pk)


def jobs(user: User) -> QuerySet[Job]:
    """Launched jobs, without their heavy columns."""
    launched = Job.objects.launched().with_holder()
    return launched.select_related("connection", "file", "created_by").defer("pace", "mapping", "held_seconds")


def overview(user: User) -> list[Job]:
    """By one query, newest first: at least the latest launched jobs, those that move or wait for a person, and the
    user's own drafts."""
    launched = Job.objects.launched()
    few = (
        launched.filter(state__in=MOVING)[:10],
        launched.filter(state__in=ATTENTION)[:10],
        launched.exclude(state__in=MOVING)[:10],
        Job.objects.drafts().filter(created_by=user)[:5],
    )
    # A union, each part by key: an OR of them would be asked of every job there is. SQLite unites no slices as such.
    first, *others = (Job.objects.order_by().filter(pk__in=jobs.values("pk")).values("pk") for jobs in few)
    shown = Job.objects.filter(pk__in=first.union(*others))
    return list(shown.with_holder().select_related("connection", "file").defer("mapping"))


def job(user: User, code: UUID) -> Job:
    """A launched job."""
    return get_object_or_404(_shown(Job.objects.launched()), code=code)


def draft(user: User, code: UUID) -> Job:
    """A draft; the team shares them, so that a colleague can open the link."""
    return get_object_or_404(Job.objects.select_related("connection", "file"), code=code, state__in=UNLAUNCHED)


def draft_or_job(user: User, code: UUID) -> Job:
    return get_object_or_404(_shown(Job.objects.all()), code=code)


def cause(user: User, code: UUID, pk: int) -> Cause:
    return get_object_or_404(Cause, job__code=code, pk=pk)


def batch(user: User, code: UUID, seq: int) -> Batch:
    return get_object_or_404(
        Batch.objects.select_related("job__connection", "job__file"), job=job(user, code), seq=seq
    )  # fmt: skip


def _shown(jobs: JobQuerySet) -> JobQuerySet:
    return jobs.with_holder().select_related("connection", "file", "parent", "cause", "created_by")


def people(user: User) -> QuerySet[User]:
    return User.objects.order_by("username")


def person(user: User, pk: int) -> User:
    return get_object_or_404(User, pk=pk)
