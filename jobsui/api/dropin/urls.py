"""Addresses below /api/v2/. Like Zendesk's, each works with and without .json."""

from django.urls import re_path

from jobsui.api.dropin import jobs, proxy, statuses
from jobsui.api.dropin.dispatch import dispatch, unknown_route

urlpatterns = [
    re_path(
        r"^custom_objects/([^/]+)/jobs(?:\.json)?$",
        dispatch(POST=jobs.create, takes_files=True),
    ),
    re_path(
        r"^custom_objects/[^/]+/records/search(?:\.json)?$",
        dispatch(GET=proxy.read, POST=proxy.search),
    ),
    re_path(r"^custom_objects(?:/.+|\.json)?$", dispatch(GET=proxy.read)),
    re_path(r"^job_statuses(?:\.json)?$", dispatch(GET=statuses.index)),
    re_path(r"^job_statuses/show_many(?:\.json)?$", dispatch(GET=statuses.show_many)),
    re_path(r"^job_statuses/([^/]+?)(?:\.json)?$", dispatch(GET=statuses.show)),
    re_path(r"", unknown_route),
]
