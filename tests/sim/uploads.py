"""Jobs that come as files of items, as programs upload them."""

import json
from collections.abc import Sequence

from django.core.files.storage import default_storage

from jobsui.connections.models import Connection
from jobsui.jobs.control import drafts
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import checker, item_uploads


def upload(
    action: str, items: Sequence[object], connection: Connection, options: Options
) -> Job:
    """A draft of these items. Its check is enqueued."""
    body = json.dumps({"job": {"action": action, "items": items}})
    received = item_uploads.receive([body.encode()], "items.json")
    file = received.register(by=None)
    job = drafts.create_draft(
        connection, "gadget", action, file, by=None, options=options
    )
    checker.start(job, by=None)
    return job


def delete_files() -> None:
    for file in File.objects.exclude(staged_as=""):
        default_storage.delete(file.stored_as)
        default_storage.delete(file.staged_as)
