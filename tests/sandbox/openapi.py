"""The part of OpenAPI 3.0 needed to check responses against Zendesk's document."""

import re
from datetime import datetime
from typing import Any

KNOWN_FAULTS = {
    # Results are described as integer ids in three forms; those of custom objects have
    # string ids and a form of their own. In the response to the request itself they are
    # described as records.
    "JobStatusResultObject": {"type": "object"},
}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


class Document:
    def __init__(self, data: dict[str, Any]) -> None:
        self.paths = data["paths"]
        self.schemas = data["components"]["schemas"] | KNOWN_FAULTS

    def response_schema(self, method: str, path: str, status: int) -> Any:
        """The schema of an response's body; None for an response without one, KeyError for
        one that is not described."""
        responses = self.paths[path][method.lower()]["responses"]
        content = responses[str(status)].get("content")
        return content["application/json"]["schema"] if content else None

    def problems(self, value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
        """Every way in which a value does not fit a schema, with the place."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.problems(value, self.schemas[name], at)
        if value is None:
            return [] if self.takes_null(schema) else [f"{at} is null"]
        kind = schema.get("type")
        if kind and not is_of(value, kind):
            return [f"{at} is {value!r}, not of type {kind}"]
        found = self.alternatives(value, schema, at)
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{at} is {value!r}, not one of {schema['enum']}")
        if schema.get("format") == "date-time" and not is_time(value):
            found.append(f"{at} is {value!r}, not a time")
        if isinstance(value, dict):
            found += self.object_problems(value, schema, at)
        if isinstance(value, list):
            item_schema = schema.get("items", {})
            for number, item in enumerate(value):
                found += self.problems(item, item_schema, f"{at}[{number}]")
        return found

    def takes_null(self, schema: dict[str, Any]) -> bool:
        """A missing type takes anything; of alternatives one that takes it is
        enough."""
        if schema.get("nullable"):
            return True
        options = schema.get("oneOf", []) + schema.get("anyOf", [])
        if not options:
            return "type" not in schema
        return any(not self.problems(None, option) for option in options)

    def alternatives(self, value: Any, schema: dict[str, Any], at: str) -> list[str]:
        found: list[str] = []
        for part in schema.get("allOf", []):
            found += self.problems(value, part, at)
        for word in ("oneOf", "anyOf"):
            tried = [
                self.problems(value, option, at) for option in schema.get(word, [])
            ]
            if tried and all(tried):
                found.append(f"{at} fits none of {word}: {min(tried, key=len)}")
        return found

    def object_problems(
        self, value: dict[str, Any], schema: dict[str, Any], at: str
    ) -> list[str]:
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", {})
        required = schema.get("required", [])
        found = [f"{at}.{name} is missing" for name in required if name not in value]
        for name, member in value.items():
            part = properties.get(name, others)
            if isinstance(part, dict):
                found += self.problems(member, part, f"{at}.{name}")
        return found


def is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


def is_time(value: Any) -> bool:
    if not re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value
    ):
        return False
    return bool(datetime.fromisoformat(value))
