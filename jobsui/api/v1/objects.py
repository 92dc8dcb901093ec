"""The custom objects of a connection, as last read from Zendesk."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Router

from jobsui.access import limits, lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.models import Scope
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest, require_scope
from jobsui.api.schema import Schema
from jobsui.api.v1.types import Body, Code, ListOut, Name, responses, unpaged_response
from jobsui.connections import objects
from jobsui.connections.models import MAX_RUNNING_JOBS, CustomObject
from jobsui.jobs.mapping.row_reader import MAX_RECORD_BYTES
from jobsui.jobs.models.batch import MAX_BATCH_SIZE

router = Router()


class ObjectIn(Body):
    key: Name
    """As shown in Zendesk's object settings, for example `asset`."""


class OptionOut(Schema):
    value: str
    """The tag to send."""
    name: str
    """The label people see."""


class FieldOut(Schema):
    key: str
    title: str
    type: str
    required: bool
    readonly: bool
    description: str
    regexp: str
    """Pattern that a value must match; empty if there is none."""
    options: list[OptionOut]
    target_type: str
    """What a lookup field or parent refers to, for example `zen:user` or
    `zen:custom_object:KEY`."""
    currencies: list[str]


class NameRulesOut(Schema):
    """How records are named."""

    autonumbered: bool
    """Zendesk numbers the records; names must not be sent."""
    unique: bool
    prefix: str
    padding: int


class LimitsOut(Schema):
    record_count: int | None
    """Number of records in Zendesk when the object was read; null if unknown."""
    records_per_request: int = MAX_BATCH_SIZE
    bytes_per_record: int = MAX_RECORD_BYTES
    running_jobs: int = MAX_RUNNING_JOBS
    """Limit of the whole account."""


class ObjectOut(Schema):
    key: str
    title: str
    description: str
    fields: list[FieldOut]
    """Its active custom fields."""
    name_rules: NameRulesOut
    limits: LimitsOut
    read_at: datetime | None
    """Null if the object was never read."""
    gone: bool
    """True if the object was deleted in Zendesk."""


@router.get(
    "/{uuid:id}/objects",
    operation_id="list_objects",
    summary="List objects",
    response=responses(200, ListOut[ObjectOut], 404),
)
def list_objects(request: ApiRequest, code: Code) -> dict[str, Any]:
    """The objects that Jobs UI knows, by key, all on one page. Sync reads them from
    Zendesk."""
    connection = lookup.connection(request.auth, code)
    known = connection.objects_known.all()
    return unpaged_response([serialize(custom_object) for custom_object in known])


@router.post(
    "/{uuid:id}/objects",
    auth=RUN,
    operation_id="add_object",
    summary="Add an object by its key",
    response=responses(200, ObjectOut, 400, 404, 409, 413, 502, 503) | {201: ObjectOut},
    openapi_extra=idempotency.PARAMETER,
)
def add(request: ApiRequest, code: Code, body: ObjectIn) -> HttpResponse:
    """Reads the object from Zendesk. While Zendesk is unavailable, only its key is
    stored. An object that is already known is returned with 200."""
    connection = lookup.connection(request.auth, code, Act.RUN)

    def add_object() -> idempotency.Result:
        known = connection.objects_known.filter(key=body.key).first()
        if known:
            return 200, serialize(known)
        return 201, serialize(objects.add_by_key(connection, body.key))

    return idempotency.run_at_most_once(request, add_object)


@router.post(
    "/{uuid:id}/objects/sync",
    auth=RUN,
    operation_id="sync_objects",
    summary="Sync all objects",
    response=responses(200, ListOut[ObjectOut], 404, 502, 503),
)
def sync(request: ApiRequest, code: Code) -> dict[str, Any]:
    """Reads every custom object that the credentials can access, with its fields. Known
    objects that no longer exist become `gone`."""
    limits.count(request.auth, Limited.REFRESH)
    found = objects.fetch_all(lookup.connection(request.auth, code, Act.RUN))
    return unpaged_response([serialize(custom_object) for custom_object in found])


@router.get(
    "/{uuid:id}/objects/{key}",
    operation_id="get_object",
    summary="Get an object",
    response=responses(200, ObjectOut, 404, 502, 503),
)
def detail(
    request: ApiRequest, code: Code, key: Name, refresh: bool = False
) -> ObjectOut:
    """With its fields, limits and name rules, as last read. With `refresh=true`, which
    requires the scope `run`, the object is read from Zendesk first."""
    connection = lookup.connection(request.auth, code)
    custom_object = lookup.object_of_key(request.auth, connection, key)
    if refresh:
        require_scope(request.auth, Scope.RUN)
        policy.require(request.auth, Act.RUN, connection.pk)
        limits.count(request.auth, Limited.REFRESH)
        objects.refresh(custom_object)
    return serialize(custom_object)


def serialize(custom_object: CustomObject) -> ObjectOut:
    schema = custom_object.schema
    return ObjectOut(
        key=custom_object.key,
        title=custom_object.title,
        description=custom_object.description,
        fields=[FieldOut.from_orm(field) for field in schema.fields],
        name_rules=NameRulesOut.from_orm(schema.name_rules),
        limits=LimitsOut(record_count=custom_object.record_count),
        read_at=custom_object.read_at,
        gone=custom_object.gone,
    )
