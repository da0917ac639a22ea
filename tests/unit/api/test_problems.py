"""Tests of naming what is wrong with a request."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from functions.api.problems import MAX_ERRORS, invalid


class Inner(BaseModel):
    """A part."""

    shares: list[float]


class Body(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid")

    parts: list[Inner] = []
    labels: dict[str, int] = {}
    key: str = Field("", alias="Idempotency-Key", max_length=1)


def fields(body: object) -> list[str]:
    """The fields named when a body is wrong."""
    with pytest.raises(ValidationError) as raised:
        Body.model_validate(body)
    return [error.field for error in invalid(raised.value).errors]


def test_paths_lead_to_the_field() -> None:
    """Indexes and keys are written as one would write them in a program."""
    assert fields({"parts": [{"shares": [1.0, "x"]}]}) == ["parts[0].shares[1]"]
    assert fields({"labels": {"18-24": "x"}}) == ['labels["18-24"]']
    assert fields({"Idempotency-Key": "xx"}) == ["Idempotency-Key"]
    assert fields([]) == ["body"]


def test_the_detail_tells_the_first_and_how_many_more() -> None:
    """A human gets one sentence, a program gets them all."""
    with pytest.raises(ValidationError) as raised:
        Body.model_validate({"parts": [{"shares": ["x", "y", "z"]}]})
    error = invalid(raised.value)
    assert error.detail.startswith("parts[0].shares[0]: ")
    assert error.detail.endswith(" (and 2 more)")


def test_no_more_is_named_than_anyone_reads() -> None:
    """A thousand wrong values do not make a thousand lines."""
    assert len(fields({"parts": [{"shares": ["x"] * 1000}]})) == MAX_ERRORS


def test_nothing_of_the_input_is_repeated() -> None:
    """What was sent stays out of what is answered."""
    with pytest.raises(ValidationError) as raised:
        Body.model_validate({"parts": [{"shares": ["secret-value"]}]})
    assert "secret-value" not in repr(invalid(raised.value).errors)
