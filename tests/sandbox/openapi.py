"""As much of OpenAPI 3.0 as it takes to hold an answer against Zendesk's document."""

import re
from datetime import datetime
from typing import Any

KNOWN_FAULTS = {
    # Results are described as integer ids in three forms; those of custom objects have
    # string ids and a form of their own. In the answer to the request itself they are
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

    def answer_schema(self, method: str, path: str, status: int) -> Any:
        """The schema of an answer's body; None for an answer without one, KeyError for
        one that is not described."""
        content = self.paths[path][method.lower()]["responses"][str(status)].get(
            "content"
        )
        return content["application/json"]["schema"] if content else None

    def problems(self, value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
        """Every way in which a value does not fit a schema, with the place."""
        if "$ref" in schema:
            return self.problems(
                value, self.schemas[schema["$ref"].rpartition("/")[2]], at
            )
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
            found += [
                each
                for n, item in enumerate(value)
                for each in self.problems(item, schema.get("items", {}), f"{at}[{n}]")
            ]
        return found

    def takes_null(self, schema: dict[str, Any]) -> bool:
        """A missing type takes anything; of alternatives one that takes it is
        enough."""
        if schema.get("nullable"):
            return True
        options = schema.get("oneOf", []) + schema.get("anyOf", [])
        return (
            any(not self.problems(None, option) for option in options)
            if options
            else "type" not in schema
        )

    def alternatives(self, value: Any, schema: dict[str, Any], at: str) -> list[str]:
        found = [
            each
            for part in schema.get("allOf", [])
            for each in self.problems(value, part, at)
        ]
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
        properties, others = (
            schema.get("properties", {}),
            schema.get("additionalProperties", {}),
        )
        found = [
            f"{at}.{name} is missing"
            for name in schema.get("required", [])
            if name not in value
        ]
        for name, each in value.items():
            part = properties.get(name, others)
            found += (
                self.problems(each, part, f"{at}.{name}")
                if isinstance(part, dict)
                else []
            )
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
