"""Makes up what a model would answer: deterministic from the request, and of the shape its schema asks for."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from typing import Any

from tests.fakes.gemini.replies import written

Make = Callable[[Random, Mapping[str, Any]], Any]

SCHEMA_FIELDS = {
    "anyOf", "default", "description", "enum", "example", "format", "items", "maxItems", "maxLength", "maxProperties",
    "maximum", "minItems", "minLength", "minProperties", "minimum", "nullable", "pattern", "properties",
    "propertyOrdering", "required", "title", "type",
}  # fmt: skip
TYPES = {1: "string", 2: "number", 3: "integer", 4: "boolean", 5: "array", 6: "object"}
SHORT_NAMES = ("name", "title", "headline", "label", "occupation", "id", "segment", "city")

SUBJECTS = (
    "My family", "The price", "Most of my friends", "The packaging", "What I read online", "A neighbour of mine",
    "The quality", "My daily commute", "The shop around the corner", "Our budget", "The advertising", "A past mistake",
    "The delivery", "My doctor", "The taste", "The time I have after work", "The brand", "My own experience",
)  # fmt: skip
VERBS = (
    "makes me think twice about", "is what convinced me of", "hardly changes how I see", "reminds me of",
    "keeps me away from", "matters more to me than", "would have to improve before I accept", "explains",
    "is the reason I keep coming back to", "contradicts what people say about",
)  # fmt: skip
OBJECTS = (
    "this offer", "anything new on the shelf", "the way they talk to people like me", "paying that much",
    "switching after all these years", "what the label promises", "the whole idea", "a subscription",
    "the environment and what we leave behind", "spending an evening on it", "trusting a company I do not know",
    "recommending it to my sister",
)  # fmt: skip
ENDINGS = (
    "to be honest", "at least for now", "and I have tried twice", "whatever my colleagues say", "especially in winter",
    "since prices went up", "even though I like novelty", "because I was disappointed before",
    "as long as nobody pushes me", "and that will not change soon",
)  # fmt: skip
NOUNS = (
    "trust", "price", "habit", "quality", "family", "time", "novelty", "health", "environment", "convenience",
    "status", "safety", "tradition", "privacy", "taste", "service", "loyalty", "comfort", "honesty", "distance",
)  # fmt: skip
QUALITIES = ("daily", "fair", "local", "lasting", "shared", "quiet", "proven", "simple", "personal", "hidden")


class UnknownField(ValueError):
    """The schema holds a field the API does not know."""


def text(random: Random, *, sentences: int = 2) -> str:
    """Some sentences of an opinion."""
    return " ".join(
        f"{random.choice(SUBJECTS)} {random.choice(VERBS)} {random.choice(OBJECTS)}, {random.choice(ENDINGS)}."
        for _ in range(sentences)
    )


def phrase(random: Random) -> str:
    """Two words, such as a theme."""
    return f"{random.choice(QUALITIES)} {random.choice(NOUNS)}"


def maker(schema: Mapping[str, Any]) -> Make:
    """What makes values of a Gemini schema. Raises `UnknownField` as the API answers 400."""
    return _compiled(written(schema))


@lru_cache(maxsize=256)
def _compiled(schema: str) -> Make:
    return _maker(json.loads(schema), "", "")


def _maker(schema: dict[str, Any], name: str, path: str) -> Make:
    unknown = sorted(set(schema) - SCHEMA_FIELDS)
    if unknown:
        raise UnknownField(f"Unknown name \"{unknown[0]}\" at 'generation_config.response_schema{path}'")
    make = _present(schema, name, path)
    if not schema.get("nullable"):
        return make
    return lambda random, overlay: None if random.random() < 0.15 else make(random, overlay)


def _present(schema: dict[str, Any], name: str, path: str) -> Make:
    if schema.get("anyOf"):
        options = [_maker(option, name, f"{path}.any_of[{n}]") for n, option in enumerate(schema["anyOf"])]
        return lambda random, overlay: random.choice(options)(random, overlay)
    kind = schema.get("type", "string")
    kind = TYPES[kind] if isinstance(kind, int) else str(kind).lower()
    if schema.get("enum"):
        values = schema["enum"]
        return lambda random, _overlay: random.choice(values)
    makers: dict[str, Callable[[dict[str, Any], str, str], Make]] = {
        "object": _object, "array": _array, "string": _string, "integer": _integer, "number": _number,
    }  # fmt: skip
    if kind == "boolean":
        return lambda random, _overlay: random.random() < 0.5
    return makers[kind](schema, name, path)


def _object(schema: dict[str, Any], _name: str, path: str) -> Make:
    properties = schema.get("properties") or {}
    if not properties:
        raise UnknownField(f"generation_config.response_schema{path}.properties: should be non-empty for OBJECT type")
    order = schema.get("propertyOrdering") or list(properties)
    required = set(schema.get("required") or ())
    if not required <= set(properties) or set(order) - set(properties):
        raise UnknownField(f"generation_config.response_schema{path}.required: property is not defined")
    fields = [
        (key, key in required, _maker(properties[key], key, f"{path}.properties[{key}]"))
        for key in [*order, *(key for key in properties if key not in order)]
    ]

    def make(random: Random, overlay: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: overlay[key] if key in overlay else value(random, overlay)
            for key, needed, value in fields
            if needed or key in overlay or random.random() < 0.85
        }

    return make


def _array(schema: dict[str, Any], name: str, path: str) -> Make:
    items = _maker(schema.get("items") or {"type": "string"}, f"{name}[]", f"{path}.items")
    low = int(schema.get("minItems", 1))
    high = max(low, int(schema.get("maxItems", max(low, 4))))

    def make(random: Random, overlay: Mapping[str, Any]) -> list[Any]:
        values: list[Any] = []
        wanted = random.randint(low, min(high, low + 8))
        for _ in range(wanted * 4):
            value = items(random, overlay)
            if value not in values:
                values.append(value)
            if len(values) == wanted:
                break
        while len(values) < low:
            values.append(items(random, overlay))
        return values

    return make


def _string(schema: dict[str, Any], name: str, _path: str) -> Make:
    low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", 100_000))
    form = schema.get("format")
    short = name.endswith("[]") or any(name == word or name.endswith(f"_{word}") for word in SHORT_NAMES)

    def make(random: Random, _overlay: Mapping[str, Any]) -> str:
        if form == "date-time":
            return f"20{random.randint(10, 25)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}T12:00:00Z"
        value = phrase(random) if short else text(random, sentences=random.randint(1, 3))
        while len(value) < low:
            value = f"{value} {text(random, sentences=1)}"
        return value if len(value) <= high else value[:high].rstrip(string.whitespace).ljust(low, "x")

    return make


def _integer(schema: dict[str, Any], _name: str, _path: str) -> Make:
    low, high = _bounds(schema, 0, 100)
    return lambda random, _overlay: random.randint(int(low), int(high))


def _number(schema: dict[str, Any], _name: str, _path: str) -> Make:
    low, high = _bounds(schema, 0.0, 1.0)
    return lambda random, _overlay: min(high, max(low, round(random.uniform(low, high), 3)))


def _bounds(schema: dict[str, Any], low: float, high: float) -> tuple[float, float]:
    span = high - low
    low = float(schema.get("minimum", min(low, float(schema.get("maximum", high)) - span)))
    return low, float(schema.get("maximum", low + span))
