"""Turning pydantic models into Gemini's schemas."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from common.llm.gemini.schema import response_schema


class Mood(StrEnum):
    """A named enumeration."""

    GOOD = "good"
    BAD = "bad"


class Quote(BaseModel):
    """A part."""

    model_config = ConfigDict(extra="forbid")

    words: Annotated[str, Field(min_length=1, max_length=200, description="In their own words.")]
    said_at: dt.datetime | None = None


class Answer(BaseModel):
    """The whole."""

    text: str
    stance: Literal["for", "against"]
    mood: Mood = Field(description="How they feel.")
    score: Annotated[int, Field(ge=1, le=5)]
    share: Annotated[float, Field(gt=0, lt=1)]
    rank: Annotated[int, Field(gt=0, lt=10)]
    likert: Literal[1, 2, 3, 4, 5]
    agrees: bool
    themes: Annotated[list[str], Field(min_length=1, max_length=4)]
    quotes: list[Quote] = []
    best: Quote | None = None


def properties() -> dict[str, Any]:
    """The properties of `Answer` as Gemini sees them."""
    return response_schema(Answer)["properties"]  # type: ignore[no-any-return]


def test_fields_keep_their_order_and_the_required_ones_are_named() -> None:
    """The model writes properties in the order of the class, so that reasons can come before conclusions."""
    schema = response_schema(Answer)

    assert schema["type"] == "OBJECT"
    assert schema["propertyOrdering"] == list(Answer.model_fields)
    assert schema["required"] == [name for name, field in Answer.model_fields.items() if field.is_required()]


def test_references_are_inlined() -> None:
    """Gemini knows no $ref: nested models stand where they are used."""
    item = properties()["quotes"]["items"]

    assert item["type"] == "OBJECT"
    assert item["properties"]["words"] == {
        "type": "STRING",
        "description": "In their own words.",
        "minLength": 1,
        "maxLength": 200,
    }
    assert "$" not in str(response_schema(Answer))


def test_optional_fields_are_nullable() -> None:
    """`X | None` is X, or null."""
    assert properties()["best"]["nullable"] is True
    assert properties()["best"]["type"] == "OBJECT"
    said_at = properties()["quotes"]["items"]["properties"]["said_at"]
    assert said_at == {"type": "STRING", "format": "date-time", "nullable": True}


def test_choices_are_enumerations() -> None:
    """Literals and enumerations of text list their values, and keep their description."""
    assert properties()["stance"] == {"type": "STRING", "format": "enum", "enum": ["for", "against"]}
    assert properties()["mood"]["enum"] == ["good", "bad"]
    assert properties()["mood"]["description"] == "How they feel."


def test_bounds_are_kept_and_made_inclusive() -> None:
    """Limits of numbers and lengths reach the model."""
    assert properties()["score"] == {"type": "INTEGER", "minimum": 1, "maximum": 5}
    assert properties()["rank"] == {"type": "INTEGER", "minimum": 1, "maximum": 9}
    assert properties()["share"] == {"type": "NUMBER", "minimum": 0, "maximum": 1}
    assert properties()["likert"] == {"type": "INTEGER", "minimum": 1, "maximum": 5}
    assert properties()["themes"] == {"type": "ARRAY", "minItems": 1, "maxItems": 4, "items": {"type": "STRING"}}
    assert properties()["agrees"] == {"type": "BOOLEAN"}


def test_only_fields_gemini_knows_are_left() -> None:
    """Anything else in a schema is answered 400: titles, defaults and additionalProperties are gone."""

    def keys(schema: dict[str, Any]) -> set[str]:
        found = set(schema)
        for each in [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]:
            found |= keys(each)
        return found

    known = {"type", "format", "description", "nullable", "enum", "items", "properties", "required", "propertyOrdering"}
    limits = {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"}
    assert keys(response_schema(Answer)) <= known | limits


def test_alternatives_stay_alternatives() -> None:
    """A union of models is a choice between their schemas."""

    class Either(BaseModel):
        value: Quote | Literal["none"]

    assert [option["type"] for option in response_schema(Either)["properties"]["value"]["anyOf"]] == [
        "OBJECT",
        "STRING",
    ]


class Tree(BaseModel):
    """A model which contains itself."""

    children: list[Tree]


class Bag(BaseModel):
    """A model with an object of unknown properties."""

    counts: dict[str, int]


class Mixed(BaseModel):
    """A model with an enumeration of several types."""

    value: Literal["a", 1]


@pytest.mark.parametrize(("model", "complaint"), [(Tree, "recursive"), (Bag, "free-form"), (Mixed, "enumeration")])
def test_what_gemini_cannot_express_is_refused(model: type[BaseModel], complaint: str) -> None:
    """A schema which would be answered 400 fails where it is made, and says why."""
    with pytest.raises(TypeError, match=complaint):
        response_schema(model)
