"""which handler answers which path."""

from collections.abc import Callable
from dataclasses import dataclass

from jobsui.sandbox import api_account, api_jobs, api_objects, api_records
from jobsui.sandbox.protocol import Response

type Handler = Callable[..., Response]

OBJECT = "/api/v2/custom_objects/{}"
RECORDS = OBJECT + "/records"
ENDPOINTS: list[tuple[str, str, Handler]] = [
    ("GET", "/api/v2/custom_objects", api_objects.index),
    ("POST", "/api/v2/custom_objects", api_objects.create),
    ("GET", "/api/v2/custom_objects/limits/object_limit", api_objects.object_limit),
    ("GET", "/api/v2/custom_objects/limits/record_limit", api_objects.record_limit),
    ("GET", OBJECT, api_objects.show),
    ("PATCH", OBJECT, api_objects.update),
    ("DELETE", OBJECT, api_objects.delete),
    ("GET", OBJECT + "/limits/field_limit", api_objects.field_limit),
    ("GET", OBJECT + "/permission_policies", api_objects.policies),
    ("GET", OBJECT + "/permission_policies/{}", api_objects.show_policy),
    ("GET", OBJECT + "/access_rules", api_objects.access_rules),
    ("GET", OBJECT + "/fields", api_objects.fields),
    ("POST", OBJECT + "/fields", api_objects.create_field),
    ("PUT", OBJECT + "/fields/reorder", api_objects.reorder_fields),
    ("GET", OBJECT + "/fields/{}", api_objects.show_field),
    ("PATCH", OBJECT + "/fields/{}", api_objects.update_field),
    ("PUT", OBJECT + "/fields/{}", api_objects.update_field),
    ("DELETE", OBJECT + "/fields/{}", api_objects.delete_field),
    ("POST", OBJECT + "/jobs", api_jobs.create),
    ("GET", RECORDS, api_records.index),
    ("POST", RECORDS, api_records.create),
    ("PATCH", RECORDS, api_records.upsert),
    ("DELETE", RECORDS, api_records.delete_by_key),
    ("GET", RECORDS + "/count", api_records.count),
    ("GET", RECORDS + "/search", api_records.search_text),
    ("POST", RECORDS + "/search", api_records.search_filter),
    ("GET", RECORDS + "/autocomplete", api_records.autocomplete),
    ("GET", RECORDS + "/{}", api_records.show),
    ("PATCH", RECORDS + "/{}", api_records.update),
    ("DELETE", RECORDS + "/{}", api_records.delete),
    ("GET", RECORDS + "/{}/attachments", api_records.no_attachments),
    ("POST", RECORDS + "/{}/attachments", api_records.no_attachments),
    ("GET", "/api/v2/job_statuses", api_jobs.index),
    ("GET", "/api/v2/job_statuses/show_many", api_jobs.show_many),
    ("GET", "/api/v2/job_statuses/{}", api_jobs.show),
    ("GET", "/api/v2/incremental/custom_objects/{}/cursor", api_account.export),
    ("GET", "/api/v2/users/me", api_account.me),
    ("GET", "/api/v2/users/show_many", api_account.users),
    ("GET", "/api/v2/organizations/show_many", api_account.organizations),
    ("GET", "/api/v2/tickets/show_many", api_account.tickets),
    ("GET", "/api/v2/account/settings", api_account.settings),
    ("GET", "/api/v2/oauth/tokens", api_account.list_tokens),
    ("GET", "/api/v2/oauth/tokens/current", api_account.current_token),
    ("DELETE", "/api/v2/oauth/tokens/current", api_account.revoke_current_token),
    ("GET", "/api/v2/oauth/tokens/{}", api_account.show_token),
    ("DELETE", "/api/v2/oauth/tokens/{}", api_account.revoke_token),
    ("POST", "/oauth/tokens", api_account.grant_token),
    ("GET", "/oauth/authorizations/new", api_account.authorize),
]


@dataclass(slots=True)
class Match:
    handler: Handler
    parameters: list[str]


def table() -> dict[tuple[str, int], list[tuple[list[str], Handler]]]:
    """Endpoints by method and number of path segments, in the order listed above: those
    without parameters come first."""
    routes: dict[tuple[str, int], list[tuple[list[str], Handler]]] = {}
    for method, path, handler in ENDPOINTS:
        segments = path.split("/")
        routes.setdefault((method, len(segments)), []).append((segments, handler))
    return routes


ROUTES = table()


def match(method: str, path: str) -> Match | None:
    """The endpoint of a path, with or without ".json" at its end."""
    segments = path.removesuffix(".json").split("/")
    for pattern, handler in ROUTES.get((method, len(segments)), ()):
        pairs = list(zip(pattern, segments, strict=True))
        if all(expected in {"{}", given} for expected, given in pairs):
            parameters = [given for expected, given in pairs if expected == "{}"]
            return Match(handler, parameters)
    return None
