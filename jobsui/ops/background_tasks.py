"""The pages of django-rq, for administrators: queues, workers, and tasks that failed.

They can only delay work. The database knows what is open, the sweep enqueues it again, and
workers run nothing but our own tasks (jobs/queueing.py)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django_rq import stats_views
from django_rq.urls import get_admin_urlpatterns
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError

from jobsui.web.http import HtmxRequest, admin_required


def urls() -> list[URLPattern]:
    """Without the addresses that a token of django-rq opens."""
    as_json = path("stats.json", _guarded(stats_views.stats_json), name="home_json")
    return [as_json, *get_admin_urlpatterns(view_wrapper=_guarded)]


def _guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    @admin_required
    def page(request: HtmxRequest, /, **arguments: Any) -> HttpResponse:
        # What django-rq asks for; ours are superusers.
        request.user.is_staff = True
        try:
            return view(request, **arguments)
        except (IndexError, NoSuchJobError):
            raise Http404 from None
        except RedisError:
            return render(request, "queue_unreachable.html", status=503)

    return page
