"""Finding things for a person, and whether they may. No view looks anything up by itself; what is not there, or not for
this person, is a 404.

Everybody who is signed in is an operator: they use connections and run jobs. Administrators (Django's superusers) also
keep connections, their secrets, and people.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import UNLAUNCHED
from jobsui.jobs.models import Batch, Job


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
    return Job.objects.launched().select_related("connection", "file", "created_by").defer("pace", "mapping")


def drafts(user: User) -> QuerySet[Job]:
    return Job.objects.drafts().filter(created_by=user).select_related("connection", "file")


def job(user: User, code: UUID) -> Job:
    """A launched job."""
    return get_object_or_404(Job.objects.launched().select_related("connection", "file", "parent"), code=code)


def draft(user: User, code: UUID) -> Job:
    """A draft; the team shares them, so that a colleague can open the link."""
    return get_object_or_404(Job.objects.select_related("connection", "file"), code=code, state__in=UNLAUNCHED)


def draft_or_job(user: User, code: UUID) -> Job:
    return get_object_or_404(Job.objects.select_related("connection", "file"), code=code)


def batch(user: User, code: UUID, seq: int) -> Batch:
    return get_object_or_404(
        Batch.objects.select_related("job__connection", "job__file"), job=job(user, code), seq=seq
    )  # fmt: skip


def people(user: User) -> QuerySet[User]:
    return User.objects.order_by("username")


def person(user: User, pk: int) -> User:
    return get_object_or_404(User, pk=pk)
