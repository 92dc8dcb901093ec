"""The members of responses that programs need, in the form of an OpenAPI document.
Zendesk's own document says more (test_openapi.py)."""

from typing import Any

type Schema = dict[str, Any]


def holds(**members: Schema) -> Schema:
    """An object with at least these."""
    return {"type": "object", "required": [*members], "properties": members}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def or_null(schema: Schema) -> Schema:
    return schema | {"nullable": True}


TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
YES_NO = {"type": "boolean"}
TIME = TEXT | {"format": "date-time"}
ANYTHING: Schema = {"nullable": True}

OBJECT = holds(
    key=TEXT,
    title=TEXT,
    title_pluralized=TEXT,
    raw_title=TEXT,
    raw_title_pluralized=TEXT,
    description=or_null(TEXT),
    include_in_list_view=YES_NO,
    allows_photos=YES_NO,
    allows_attachments=YES_NO,
    created_at=TIME,
    updated_at=TIME,
    created_by_user_id=TEXT,
    updated_by_user_id=TEXT,
    url=TEXT,
)
FIELD = holds(
    id=WHOLE,
    key=TEXT,
    type=TEXT,
    title=TEXT,
    raw_title=TEXT,
    active=YES_NO,
    required=YES_NO,
    system=YES_NO,
    position=WHOLE,
    created_at=TIME,
    updated_at=TIME,
    url=TEXT,
)
RECORD = holds(
    id=TEXT,
    custom_object_key=TEXT,
    name=TEXT,
    external_id=or_null(TEXT),
    custom_object_fields={"type": "object"},
    created_at=TIME,
    updated_at=TIME,
    created_by_user_id=TEXT,
    updated_by_user_id=TEXT,
    url=TEXT,
)
STATUS = holds(
    id=TEXT,
    url=TEXT,
    total=or_null(WHOLE),
    progress=or_null(WHOLE),
    message=or_null(TEXT),
    results=ANYTHING,
    status=TEXT | {"enum": ["queued", "working", "failed", "completed", "killed"]},
)
POLICY = holds(
    id=TEXT,
    records=holds(
        create=holds(allowed=YES_NO),
        read=holds(allowed=YES_NO),
        update=holds(allowed=YES_NO),
        delete=holds(allowed=YES_NO),
    ),
)
TOKEN = holds(
    id=WHOLE,
    client_id=WHOLE,
    user_id=WHOLE,
    scopes=many(TEXT),
    created_at=TIME,
    url=TEXT,
)
ORGANIZATION = holds(id=WHOLE, name=TEXT, external_id=or_null(TEXT))
USER = holds(id=WHOLE, name=TEXT, external_id=or_null(TEXT), active=YES_NO)
TICKET = holds(id=WHOLE, subject=TEXT, external_id=or_null(TEXT))
LIMIT = holds(count=WHOLE, limit=WHOLE)
CURSORS = {
    "meta": holds(
        has_more=YES_NO, after_cursor=or_null(TEXT), before_cursor=or_null(TEXT)
    ),
    "links": holds(next=or_null(TEXT), prev=or_null(TEXT)),
}
ONE_OBJECT = holds(custom_object=OBJECT)
ONE_FIELD = holds(custom_object_field=FIELD)
ONE_RECORD = holds(custom_object_record=RECORD)
RECORDS = holds(custom_object_records=many(RECORD), **CURSORS)
ONE_STATUS = holds(job_status=STATUS)

OBJECTS = "/api/v2/custom_objects"
KEY = OBJECTS + "/{custom_object_key}"
FIELD_PATH = KEY + "/fields/{custom_object_field_key_or_id}"
RECORD_PATH = KEY + "/records/{custom_object_record_id}"
EXPORT = "/api/v2/incremental/custom_objects/{custom_object_key}/cursor"
RESPONSES: dict[tuple[str, str, int], Schema | None] = {
    ("GET", OBJECTS, 200): holds(custom_objects=many(OBJECT)),
    ("POST", OBJECTS, 201): ONE_OBJECT,
    ("GET", KEY, 200): ONE_OBJECT,
    ("PATCH", KEY, 200): ONE_OBJECT,
    ("GET", KEY + "/fields", 200): holds(custom_object_fields=many(FIELD)),
    ("POST", KEY + "/fields", 201): ONE_FIELD,
    ("GET", FIELD_PATH, 200): ONE_FIELD,
    ("PATCH", FIELD_PATH, 200): ONE_FIELD,
    ("DELETE", FIELD_PATH, 204): None,
    ("PUT", KEY + "/fields/reorder", 200): ANYTHING,
    ("GET", KEY + "/limits/field_limit", 200): LIMIT,
    ("GET", OBJECTS + "/limits/object_limit", 200): LIMIT,
    ("GET", OBJECTS + "/limits/record_limit", 200): LIMIT,
    ("GET", KEY + "/permission_policies", 200): holds(policies=many(POLICY)),
    ("GET", KEY + "/permission_policies/{id}", 200): ANYTHING,
    ("GET", KEY + "/access_rules", 200): ANYTHING,
    ("POST", KEY + "/jobs", 201): ONE_STATUS,
    ("GET", KEY + "/records", 200): RECORDS,
    ("POST", KEY + "/records", 201): ONE_RECORD,
    ("PATCH", KEY + "/records", 200): ONE_RECORD,
    ("DELETE", KEY + "/records", 204): None,
    ("GET", RECORD_PATH, 200): ONE_RECORD,
    ("PATCH", RECORD_PATH, 200): ONE_RECORD,
    ("DELETE", RECORD_PATH, 204): None,
    ("GET", KEY + "/records/count", 200): holds(
        count=holds(value=WHOLE, refreshed_at=TIME)
    ),
    ("GET", KEY + "/records/search", 200): RECORDS,
    ("POST", KEY + "/records/search", 200): RECORDS,
    ("GET", KEY + "/records/autocomplete", 200): RECORDS,
    ("GET", KEY + "/records/{record_id}/attachments", 400): holds(error=TEXT),
    ("GET", EXPORT, 200): holds(
        custom_object_records=many(RECORD), after_cursor=TEXT, end_of_stream=YES_NO
    ),
    ("GET", EXPORT, 400): holds(errors=many(holds(code=TEXT, status=TEXT, title=TEXT))),
    ("GET", "/api/v2/job_statuses", 200): holds(job_statuses=many(STATUS), **CURSORS),
    ("GET", "/api/v2/job_statuses/show_many", 200): holds(job_statuses=many(STATUS)),
    ("GET", "/api/v2/job_statuses/{job_status_id}", 200): ONE_STATUS,
    ("GET", "/api/v2/users/me", 200): holds(
        user=holds(id=WHOLE, name=TEXT, email=TEXT, role=TEXT)
    ),
    ("GET", "/api/v2/users/show_many", 200): holds(users=many(USER)),
    ("GET", "/api/v2/organizations/show_many", 200): holds(
        organizations=many(ORGANIZATION)
    ),
    ("GET", "/api/v2/tickets/show_many", 200): holds(tickets=many(TICKET)),
    ("GET", "/api/v2/account/settings", 200): holds(settings={"type": "object"}),
    ("GET", "/api/v2/oauth/tokens", 200): holds(tokens=many(TOKEN)),
    ("GET", "/api/v2/oauth/tokens/{oauth_token_id}", 200): holds(token=TOKEN),
    ("GET", "/api/v2/oauth/tokens/current", 200): holds(token=TOKEN),
    ("DELETE", "/api/v2/oauth/tokens/{oauth_token_id}", 204): None,
    ("POST", "/oauth/tokens", 201): holds(
        access_token=TEXT, token_type=TEXT, scope=TEXT, expires_in=or_null(WHOLE)
    ),
}


def document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for (method, path, status), schema in RESPONSES.items():
        response: Schema = {}
        if schema is not None:
            response["content"] = {"application/json": {"schema": schema}}
        operations = paths.setdefault(path, {})
        operation = operations.setdefault(method.lower(), {"responses": {}})
        operation["responses"][str(status)] = response
    return {"paths": paths, "components": {"schemas": {}}}
