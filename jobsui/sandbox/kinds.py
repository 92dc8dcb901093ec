"""The kinds of API requests, for tests that count them."""

from jobsui.sandbox import api_account, api_jobs, api_objects, api_records
from jobsui.sandbox.protocol import Request
from jobsui.sandbox.routes import Handler

LISTS = {
    "filter[external_ids]": "records-by-external-id",
    "filter[ids]": "records-by-id",
}
"""The kind of a list of records by its filter."""
KINDS: dict[Handler, str] = {
    api_records.index: "records-list",
    api_records.show: "record",
    api_records.search_text: "search",
    api_records.search_filter: "search",
    api_records.autocomplete: "search",
    api_records.count: "count",
    api_account.export: "export",
    api_jobs.create: "jobs",
    api_jobs.index: "job-statuses",
    api_jobs.show: "job-statuses",
    api_jobs.show_many: "job-statuses",
    api_records.create: "record-writes",
    api_records.update: "record-writes",
    api_records.upsert: "record-writes",
    api_records.delete: "record-writes",
    api_records.delete_by_key: "record-writes",
    api_objects.fields: "fields",
    api_account.users: "related",
    api_account.organizations: "related",
    api_account.tickets: "related",
}
OTHERS = "others"


def kind_of(request: Request, handler: Handler) -> str:
    if handler is api_records.index:
        for name, kind in LISTS.items():
            if request.query.get(name):
                return kind
    return KINDS.get(handler, OTHERS)
