"""The assembled API: its routers, its JSON parser and its OpenAPI document."""

import json
from collections.abc import Iterable
from itertools import islice
from threading import Lock
from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser

from jobsui.api import problems
from jobsui.api.auth import READ
from jobsui.api.problems import Problem
from jobsui.api.v1 import (
    batches,
    comparisons,
    connections,
    files,
    job_actions,
    jobs,
    objects,
    proofs,
    records,
    requests,
    rows,
    saved_mappings,
    undos,
)
from jobsui.jobs.preparation import item_uploads

DESCRIPTION = """\
The REST API of Jobs UI does everything its pages do. Authenticate with an API token:
`Authorization: Bearer TOKEN`. Create a token at `/tokens/` or with
`manage.py createtoken`. Its scope is `read`, `run` or `admin`.

Errors are problem details (RFC 9457): `detail` says what went wrong and what to do. Lists
are paged: follow `next` until it is null. Repeat a `POST` that creates something with the
same `Idempotency-Key` within 24 hours, and it is created only once.
"""
MAX_DEPTH = 100
"""Levels of nesting in a body. The database and Zendesk cannot store unlimited ones."""
ITEMS = "items"
MAX_CONTAINERS = 250_000
"""Objects and lists in a body, counted by their signs. Each takes 60 to 250 bytes."""
MAX_VALUES = 1_000_000
MAX_MEMBERS = 20_000
"""Of an object or list other than the list of items: each may be an error of the
schema."""
TOO_MANY = "The body has too many values. Upload rows as a file: POST /api/v1/files."
TOO_DEEP = f"The body is nested more than {MAX_DEPTH} levels deep."


class StrictParser(Parser):
    """Refuses NaN, Infinity and deep nesting, which Python's JSON parser accepts."""

    def parse_body(self, request: HttpRequest) -> Any:
        _require_few_values(request.body)
        try:
            body = json.loads(request.body, parse_constant=_refuse_constant)
        except RecursionError:
            raise Problem(400, "not_json", TOO_DEEP) from None
        except ValueError:
            detail = item_uploads.mistake(request.body)
            raise Problem(400, "not_json", detail) from None
        if _is_deeper(body, MAX_DEPTH):
            raise Problem(400, "not_json", TOO_DEEP)
        if _has_wide_member(body):
            raise Problem(413, "too_large", TOO_MANY)
        return body


def _require_few_values(body: bytes) -> None:
    """Raise Problem for a body that would take far more memory than it has bytes."""
    containers = body.count(b"{") + body.count(b"[")
    if containers > MAX_CONTAINERS or body.count(b",") > MAX_VALUES:
        raise Problem(413, "too_large", TOO_MANY)


def _has_wide_member(body: Any) -> bool:
    """Whether an object or list that is checked by a schema has too many members."""
    if not isinstance(body, dict):
        return False
    checked = [body, *(value for name, value in body.items() if name != ITEMS)]
    nested = [
        member
        for container in checked[1:]
        if isinstance(container, dict | list)
        for member in islice(_members(container), MAX_MEMBERS)
    ]
    return any(
        isinstance(each, dict | list) and len(each) > MAX_MEMBERS
        for each in (*checked, *nested)
    )


class Api(NinjaAPI):
    _building = Lock()
    _schema: OpenAPISchema | None = None

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Built once per process: it takes a second, and anyone may ask for it."""
        with self._building:
            if self._schema is None:
                self._schema = self._build_schema(**options)
            return self._schema

    def _build_schema(self, **options: Any) -> OpenAPISchema:
        """Gives errors their own content type, which the library does not support."""
        schema = super().get_openapi_schema(**options)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if int(status) >= 400:
                        _set_problem_type(response)
        return schema


def _set_problem_type(response: dict[str, Any]) -> None:
    content = response.get("content", {})
    if "application/json" in content:
        content[problems.CONTENT_TYPE] = content.pop("application/json")


def _is_deeper(body: Any, levels: int) -> bool:
    """Without recursion, which a deep body would exhaust."""
    containers = [body] if isinstance(body, dict | list) else []
    for _ in range(levels):
        containers = [
            member
            for container in containers
            for member in _members(container)
            if isinstance(member, dict | list)
        ]
    return bool(containers)


def _members(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


api = Api(
    title="Jobs UI",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api-v1",
    auth=READ,
    parser=StrictParser(),
    openapi_url="/openapi.json",
    docs_url="/docs",
)
problems.install(api)
api.add_router("/connections", connections.router, tags=["Connections"])
api.add_router("/connections", objects.router, tags=["Objects"])
api.add_router("/connections", saved_mappings.router, tags=["Objects"])
api.add_router("/files", files.router, tags=["Files"])
api.add_router("/jobs", jobs.router, tags=["Jobs"])
api.add_router("/jobs", job_actions.router, tags=["Jobs"])
api.add_router("/jobs", comparisons.router, tags=["Comparison"])
api.add_router("/jobs", undos.router, tags=["Undo"])
api.add_router("/jobs", proofs.router, tags=["Proof"])
api.add_router("/connections", records.router, tags=["Objects"])
api.add_router("/jobs", rows.router, tags=["Results"])
api.add_router("/jobs", batches.job_router, tags=["Batches"])
api.add_router("/batches", batches.router, tags=["Batches"])
api.add_router("/requests", requests.router, tags=["Test requests"])
