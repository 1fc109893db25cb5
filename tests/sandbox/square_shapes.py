"""Holds JSON against Square's published description (OpenAPI), where it lies beside the checkout."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tests.sandbox.process import ROOT

# The description is of 2025-08; the SDK (2026-09-16) is newer and wins. None of what the sandbox shows differs.
DIFFERENCES: frozenset[str] = frozenset()
_TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


def description_file() -> Path | None:
    """Where the description is; None where it is not at hand."""
    places = (base / "shared" / "specs" / "square" / "api.json" for base in (ROOT.parent, ROOT.parent.parent))
    return next((place for place in places if place.exists()), None)


@functools.cache
def _description() -> Any:
    place = description_file()
    assert place is not None
    return json.loads(place.read_text(encoding="utf-8"))


def problems(method: str, path: str, body: Any, *, what: str = "response") -> list[str]:
    """What is wrong with a body of an endpoint (`GET`, `/v2/payments/{payment_id}`); `what`: response or request."""
    endpoint = _description()["paths"][path][method.lower()]
    content = endpoint["responses"]["200"]["content"] if what == "response" else endpoint["requestBody"]["content"]
    found: list[str] = []
    _check(body, content["application/json"]["schema"], what, found)
    return [problem for problem in found if problem not in DIFFERENCES]


def of_schema(name: str, value: Any) -> list[str]:
    """What is wrong with an object of a named schema."""
    found: list[str] = []
    _check(value, {"$ref": f"#/components/schemas/{name}"}, name, found)
    return found


def _check(value: Any, schema: Any, where: str, found: list[str]) -> None:
    schema = _resolved(schema)
    kind = schema.get("type")
    if kind in _TYPES and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        found.append(f"{where} is a {type(value).__name__}, not {kind}")
        return
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}, none of the enum")
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        found.append(f"{where} is longer than {schema['maxLength']}")
    if isinstance(value, list):
        for position, item in enumerate(value):
            _check(item, schema.get("items", {}), f"{where}[{position}]", found)
    if isinstance(value, dict) and "properties" in schema:
        _object(value, schema, where, found)


def _object(value: dict[str, Any], schema: Any, where: str, found: list[str]) -> None:
    found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, inner in value.items():
        if name in schema["properties"]:
            _check(inner, schema["properties"][name], f"{where}.{name}", found)
        else:
            found.append(f"{where}.{name} is not described")


def _resolved(schema: Any) -> Any:
    while "$ref" in schema or "allOf" in schema:
        if "$ref" in schema:
            schema = _description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        else:
            parts = [_resolved(part) for part in schema["allOf"]]
            schema = {**{name: each for part in parts for name, each in part.items()}}
    return schema
