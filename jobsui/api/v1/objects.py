"""The custom objects of a connection, as last read from Zendesk."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Router, Schema

from jobsui.access import lookup
from jobsui.access.models import Scope
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest, require
from jobsui.api.v1.types import Body, Code, Listed, Name, answers, whole_list
from jobsui.connections import objects
from jobsui.connections.models import WINDOW, CustomObject
from jobsui.jobs.mapping.row_reader import MAX_RECORD_BYTES
from jobsui.jobs.preparation.planner import BATCH_SIZE

router = Router()


class ObjectIn(Body):
    key: Name
    """As in Zendesk's object settings, such as asset."""


class OptionOut(Schema):
    value: str
    """The tag that is sent."""
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
    """What a value must match; empty where there is no such rule."""
    options: list[OptionOut]
    target_type: str
    """What a lookup or parent points at, such as zen:user or zen:custom_object:KEY."""
    currencies: list[str]


class NameRulesOut(Schema):
    """How records get their names."""

    autonumbered: bool
    """Zendesk numbers them; no name may be sent."""
    unique: bool
    prefix: str
    padding: int


class LimitsOut(Schema):
    record_count: int | None
    """Zendesk's own count when the object was read; null where it does not tell."""
    records_per_request: int = BATCH_SIZE
    bytes_per_record: int = MAX_RECORD_BYTES
    running_jobs: int = WINDOW
    """Of the whole account."""


class ObjectOut(Schema):
    key: str
    title: str
    description: str
    fields: list[FieldOut]
    """Its own, active ones."""
    name_rules: NameRulesOut
    limits: LimitsOut
    read_at: datetime | None
    """Null: never read, only its key is known."""
    gone: bool
    """Zendesk no longer knows it."""


@router.get(
    "/{uuid:id}/objects",
    operation_id="list_objects",
    summary="Objects",
    response=answers(200, Listed[ObjectOut], 404),
)
def list_objects(request: ApiRequest, code: Code) -> dict[str, Any]:
    """As known here, by key, on one page; sync reads them from Zendesk."""
    connection = lookup.connection(request.auth, code)
    return whole_list([shown(each) for each in connection.objects_known.all()])


@router.post(
    "/{uuid:id}/objects",
    auth=RUN,
    operation_id="add_object",
    summary="Add an object by its key",
    response=answers(200, ObjectOut, 400, 404, 409, 413, 502, 503) | {201: ObjectOut},
    openapi_extra=idempotency.PARAMETER,
)
def add(request: ApiRequest, code: Code, body: ObjectIn) -> HttpResponse:
    """Read from Zendesk at once, or kept unread while Zendesk cannot be asked. One that
    is known already is answered as it is known, with 200."""
    connection = lookup.connection(request.auth, code)

    def adding() -> idempotency.Made:
        known = connection.objects_known.filter(key=body.key).first()
        return (
            (200, shown(known))
            if known
            else (201, shown(objects.add_by_key(connection, body.key)))
        )

    return idempotency.at_most_once(request, adding)


@router.post(
    "/{uuid:id}/objects/sync",
    auth=RUN,
    operation_id="sync_objects",
    summary="Read all objects",
    response=answers(200, Listed[ObjectOut], 404, 502, 503),
)
def sync(request: ApiRequest, code: Code) -> dict[str, Any]:
    """Every custom object the credentials can see, with its fields. Known ones that are
    no longer there are `gone`."""
    found = objects.fetch_all(lookup.connection(request.auth, code))
    return whole_list([shown(each) for each in found])


@router.get(
    "/{uuid:id}/objects/{key}",
    operation_id="get_object",
    summary="An object",
    response=answers(200, ObjectOut, 404, 502, 503),
)
def detail(
    request: ApiRequest, code: Code, key: Name, refresh: bool = False
) -> ObjectOut:
    """With its fields, limits and name rules, as last read; with `refresh=true`, which
    needs the scope run, read again now."""
    custom_object = lookup.object_of_key(
        request.auth, lookup.connection(request.auth, code), key
    )
    if refresh:
        require(request.auth, Scope.RUN)
        objects.refresh(custom_object)
    return shown(custom_object)


def shown(custom_object: CustomObject) -> ObjectOut:
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
