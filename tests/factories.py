"""Functions that create what tests need."""

import csv
import hashlib
import io
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from jobsui.access import roles
from jobsui.access.models import Role
from jobsui.connections.models import Connection, CustomObject, SignIn
from jobsui.jobs.control import drafts
from jobsui.jobs.control.auto_mapping import auto_map
from jobsui.jobs.enums import Action, FileState
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.notifications import channels
from jobsui.notifications.models import CHOSEN_KINDS, Channel, Target


def make_user(
    username: str = "ana",
    *,
    role: Role | None = Role.OPERATOR,
    admin: bool = False,
    password: str = "correct-horse-battery",
) -> User:
    """`role`: their general role."""
    user = User.objects.create_user(username, password=password)
    roles.assign(user, Role.ADMINISTRATOR if admin else role)
    return user


def make_connection(**fields: Any) -> Connection:
    """By default with an API token for acme.zendesk.com."""
    values = {
        "name": "Acme",
        "host": "acme.zendesk.com",
        "sign_in": SignIn.API_TOKEN,
        "email": "ops@acme.example",
    }
    connection = Connection(**values | fields)
    connection.set_secret("api_token", "token-of-acme")
    connection.save()
    return connection


def make_channel(connection: Connection | None = None, **fields: Any) -> Channel:
    """By default a Slack-compatible webhook that wants everything."""
    url = fields.pop("url", "https://hooks.example.com/services/secret-of-hook")
    values = {
        "name": "#operations",
        "target": Target.SLACK,
        "connection": connection,
        "kinds": [kind for kind, _ in CHOSEN_KINDS],
        "max_failed_percent": 5,
        "addresses": "",
    }
    channel = Channel()
    channels.save(channel, values | fields, url)
    return channel


def make_object(
    connection: Connection, key: str = "asset", **fields: Any
) -> CustomObject:
    return CustomObject.objects.create(connection=connection, key=key, **fields)


def make_file(content: str, **fields: Any) -> File:
    """A CSV file that was uploaded and read."""
    body = content.encode()
    rows = list(csv.reader(io.StringIO(content)))
    values = {
        "name": "rows.csv",
        "stored_as": default_storage.save("uploads/test", ContentFile(body)),
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "state": FileState.READY,
        "format": "csv",
        "encoding": "utf-8-sig",
        "delimiter": ",",
        "columns": rows[0],
        "rows": len(rows) - 1,
    }
    return File.objects.create(**values | fields)


def make_warning(**members: Any) -> dict[str, Any]:
    """One of the warnings of a file."""
    warning = {
        "code": "other",
        "message": "Something is odd.",
        "fix": "",
        "column": "",
        "count": 1,
        "rows": [],
        "values": [],
    }
    return warning | members


def make_job(
    content: str,
    action: Action = Action.UPSERT_BY_EXTERNAL_ID,
    *,
    to: CustomObject,
    **options: Any,
) -> Job:
    """A draft of this CSV with the automatic mapping."""
    job = drafts.create_draft(
        to.connection,
        to.key,
        action,
        make_file(content),
        by=None,
        options=Options(**options),
    )
    auto_map(job, by=None)
    return job
