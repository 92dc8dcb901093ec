"""Its assembly: reading bodies, describing itself, and its parts."""

import json
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
    connections,
    files,
    job_actions,
    jobs,
    objects,
    requests,
    rows,
)

DESCRIPTION = """\
Everything the pages of Jobs UI do, for programs. Sign in with an API token (`Authorization: Bearer TOKEN`), made at
`/tokens/` or by `manage.py createtoken`; its scope says what it may: `read`, `run`, or `admin`.

Refusals are problem details (RFC 9457): `detail` tells what is wrong and what to do. Lists come in pages: follow `next`
until it is null. A `POST` that makes something may be repeated with the same `Idempotency-Key` for 24 hours without
making it twice.
"""


DEEPEST = 100
"""Levels of a body. What comes in goes on to databases, Zendesk and answers, none of
which takes any number."""


class StrictParser(Parser):
    """JSON as it is defined: no NaN, no Infinity, not nested without end."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body, parse_constant=_no_constant)
            if _is_deeper(body, DEEPEST):
                raise RecursionError
        except RecursionError:
            raise Problem(
                400, "not_json", f"The body is nested more than {DEEPEST} levels deep."
            ) from None
        except ValueError as error:
            raise Problem(
                400, "not_json", f"The body is not JSON: {error}. Send it as UTF-8."
            ) from None
        return body


class Api(NinjaAPI):
    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """With refusals under their own content type, which the library has no place
        for."""
        schema = super().get_openapi_schema(**options)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400 and "application/json" in answer.get(
                        "content", {}
                    ):
                        answer["content"][problems.CONTENT_TYPE] = answer[
                            "content"
                        ].pop("application/json")
        return schema


def _is_deeper(body: Any, levels: int) -> bool:
    level = [body] if isinstance(body, dict | list) else []
    for _ in range(levels):
        members = (each.values() if isinstance(each, dict) else each for each in level)
        level = [
            inner
            for each in members
            for inner in each
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


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
api.add_router("/files", files.router, tags=["Files"])
api.add_router("/jobs", jobs.router, tags=["Jobs"])
api.add_router("/jobs", job_actions.router, tags=["Jobs"])
api.add_router("/jobs", rows.router, tags=["Results"])
api.add_router("/jobs", batches.of_job, tags=["Batches"])
api.add_router("/batches", batches.router, tags=["Batches"])
api.add_router("/requests", requests.router, tags=["Test requests"])
