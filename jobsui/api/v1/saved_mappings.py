"""Saved mappings: the list that programs choose from."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Router

from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.api.schema import Schema
from jobsui.api.v1.types import Code, ListOut, Name, responses, unpaged_response
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import saved_mappings
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import api_name
from jobsui.jobs.models import SavedMapping

router = Router()


class SavedMappingOut(Schema):
    id: int
    """Of this version. Send it as `saved_mapping` with `POST /jobs`."""
    name: str
    version: int
    connection: UUID
    object: str
    action: Action
    columns: list[str]
    """Of the file it was saved with."""
    mapping: dict[str, str | dict[str, Any]]
    """As `POST /jobs` takes it."""
    constants: dict[str, str]
    """As `POST /jobs` takes them."""
    options: dict[str, Any]
    file_settings: dict[str, Any]
    """How files are read, as far as a person chose it."""
    changes: list[str]
    """What has changed in the fields since it was saved. Jobs with this mapping stay
    drafts, for a person to review, while there is something."""
    created_by: str | None
    created_at: datetime


@router.get(
    "/{uuid:id}/objects/{key}/mappings",
    operation_id="list_saved_mappings",
    summary="List saved mappings",
    response=responses(200, ListOut[SavedMappingOut], 404),
)
def list_saved_mappings(request: ApiRequest, code: Code, key: Name) -> dict[str, Any]:
    """The newest version of each saved mapping of an object, by name, all on one page. A
    person saves them on the pages."""
    connection = lookup.connection(request.auth, code)
    custom_object = lookup.object_of_key(request.auth, connection, key)
    known = lookup.saved_mappings(request.auth).filter(
        connection=connection, object_key=custom_object.key
    )
    newest = saved_mappings.newest(known).order_by("name")
    return unpaged_response([serialize(saved, custom_object) for saved in newest])


def serialize(saved: SavedMapping, custom_object: CustomObject) -> SavedMappingOut:
    return SavedMappingOut(
        id=saved.pk,
        name=saved.name,
        version=saved.version,
        connection=saved.connection.code,
        object=saved.object_key,
        action=Action(saved.action),
        columns=saved.columns,
        mapping=dict(_mapping(saved)),
        constants=dict(_constants(saved)),
        options=saved.options,
        file_settings=saved.file_settings,
        changes=saved_mappings.changes(saved, custom_object.schema),
        created_by=saved.created_by.username if saved.created_by else None,
        created_at=saved.created_at,
    )


def _mapping(saved: SavedMapping) -> Iterator[tuple[str, str | dict[str, Any]]]:
    for column, key in saved.mapping.items():
        rule = saved.rules.get(key)
        field = api_name(key)
        yield column, {"field": field, **rule} if rule else field


def _constants(saved: SavedMapping) -> Iterator[tuple[str, str]]:
    for key, rule in saved.rules.items():
        if constant := rule.get("constant"):
            yield api_name(key), constant
