"""Addresses below /api/v2/, each with and without .json, as Zendesk has them."""

from django.urls import re_path

from jobsui.api.dropin import jobs, proxy, statuses
from jobsui.api.dropin.dispatch import door, nowhere

urlpatterns = [
    re_path(
        r"^custom_objects/([^/]+)/jobs(?:\.json)?$",
        door(POST=jobs.create, takes_files=True),
    ),
    re_path(
        r"^custom_objects/[^/]+/records/search(?:\.json)?$",
        door(GET=proxy.read, POST=proxy.search),
    ),
    re_path(r"^custom_objects(?:/.+|\.json)?$", door(GET=proxy.read)),
    re_path(r"^job_statuses(?:\.json)?$", door(GET=statuses.index)),
    re_path(r"^job_statuses/show_many(?:\.json)?$", door(GET=statuses.show_many)),
    re_path(r"^job_statuses/([^/]+?)(?:\.json)?$", door(GET=statuses.show)),
    re_path(r"", nowhere),
]
