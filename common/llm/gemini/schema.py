"""Turns a pydantic model into the subset of OpenAPI 3.0 in which Gemini takes the shape of its output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

KEPT = ("description", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum")
TYPES = {
    "object": "OBJECT",
    "array": "ARRAY",
    "string": "STRING",
    "integer": "INTEGER",
    "number": "NUMBER",
    "boolean": "BOOLEAN",
}
NULL = {"type": "null"}


def response_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The `responseSchema` of a model: https://ai.google.dev/api/caching#Schema.

    References are inlined, `X | None` becomes nullable, properties keep the order of the class. What
    Gemini cannot be told (patterns, formats but date-time, uniqueness) is left to validation. Raises
    `TypeError` for what it cannot express: recursion, free-form objects, enumerations of mixed types.
    """
    schema = model.model_json_schema()
    return _converted(schema, schema.get("$defs", {}), ())


def _converted(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in inside:
            raise TypeError(f"Gemini has no recursive schemas: {name} contains itself")
        described = {key: value for key, value in schema.items() if key != "$ref"}
        return _converted({**definitions[name], **described}, definitions, (*inside, name))
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _any_of(schema, options, definitions, inside)
    if len(schema.get("allOf", ())) == 1:
        return _converted({**schema["allOf"][0], **_described(schema)}, definitions, inside)
    if "const" in schema or "enum" in schema:
        return {**_enumeration(schema.get("enum") or [schema["const"]]), **_described(schema)}
    kind = schema.get("type")
    if kind not in TYPES:
        raise TypeError(f"Gemini has no schema for {dict(schema)}")
    converted = {"type": TYPES[kind], **{key: schema[key] for key in KEPT if key in schema}}
    if kind == "object":
        converted.update(_properties(schema, definitions, inside))
    elif kind == "array":
        converted["items"] = _converted(schema["items"], definitions, inside)
    elif kind in ("integer", "number"):
        converted.update(_inclusive(schema, step=1 if kind == "integer" else 0))
    elif schema.get("format") == "date-time":
        converted["format"] = "date-time"
    return converted


def _any_of(
    schema: Mapping[str, Any],
    options: list[Mapping[str, Any]],
    definitions: Mapping[str, Any],
    inside: tuple[str, ...],
) -> dict[str, Any]:
    present = [_converted(option, definitions, inside) for option in options if option != NULL]
    converted: dict[str, Any] = present[0] if len(present) == 1 else {"anyOf": present}
    if len(present) < len(options):
        converted["nullable"] = True
    return {**converted, **_described(schema)}


def _properties(schema: Mapping[str, Any], definitions: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
    properties = schema.get("properties")
    if not properties:
        raise TypeError("Gemini has no free-form objects: name the properties")
    return {
        "properties": {name: _converted(each, definitions, inside) for name, each in properties.items()},
        "required": schema.get("required", []),
        "propertyOrdering": list(properties),
    }


def _enumeration(values: list[Any]) -> dict[str, Any]:
    if all(isinstance(value, str) for value in values):
        return {"type": "STRING", "format": "enum", "enum": values}
    if all(isinstance(value, int) for value in values) and values == list(range(values[0], values[-1] + 1)):
        return {"type": "INTEGER", "minimum": values[0], "maximum": values[-1]}
    raise TypeError(f"Gemini has no enumeration of {values}")


def _inclusive(schema: Mapping[str, Any], *, step: int) -> dict[str, Any]:
    bounds = {}
    if "exclusiveMinimum" in schema:
        bounds["minimum"] = schema["exclusiveMinimum"] + step
    if "exclusiveMaximum" in schema:
        bounds["maximum"] = schema["exclusiveMaximum"] - step
    return bounds


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": schema["description"]} if "description" in schema else {}
