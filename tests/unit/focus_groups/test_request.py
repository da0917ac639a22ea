"""What a request for a focus group must be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.focus_groups.models import GroupRequest
from common.ids import new_id

GOOD: dict[str, Any] = {"name": "Oat milk", "panel_job_id": str(new_id()), "questions": ["Why?", "How?"]}


def test_a_request_needs_little() -> None:
    """The rest has sensible values."""
    request = GroupRequest.model_validate(GOOD)
    assert (request.mode, request.language, request.briefing, request.seed) == ("interview", "en", "", None)


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"name": "  "}, ("name",)),
        ({"name": "n" * 201}, ("name",)),
        ({"questions": []}, ("questions",)),
        ({"questions": ["Why?"] * 51}, ("questions",)),
        ({"questions": ["Why?", "How?", "Who?", " \n "]}, ("questions", 3)),
        ({"questions": ["Why?", "How?", "Who?", "x" * 10_000]}, ("questions", 3)),
        ({"questions": ["Why?", 7]}, ("questions", 1)),
        ({"persona_ids": [str(new_id())]}, ("persona_ids",)),
        ({"persona_ids": ["no id", str(new_id())]}, ("persona_ids", 0)),
        ({"persona_ids": [str(new_id()) for _ in range(1001)]}, ("persona_ids",)),
        ({"mode": "shouting"}, ("mode",)),
        ({"language": "not a language"}, ("language",)),
        ({"briefing": "b" * 4001}, ("briefing",)),
        ({"seed": -1}, ("seed",)),
        ({"budget_usd": 0}, ("budget_usd",)),
        ({"budget_usd": float("nan")}, ("budget_usd",)),
        ({"deadline_seconds": float("inf")}, ("deadline_seconds",)),
        ({"anything": "else"}, ("anything",)),
    ],
)
def test_the_field_at_fault_is_named(changes: dict[str, Any], location: tuple[str | int, ...]) -> None:
    """Each wrong field is an error of its own place."""
    with pytest.raises(ValidationError) as caught:
        GroupRequest.model_validate(GOOD | changes)
    assert {error["loc"] for error in caught.value.errors()} == {location}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "String should have at least 1 character"),
        ({"name": "n" * 201}, "String should have at most 200 characters"),
        ({"questions": [""]}, "String should have at least 1 character"),
        ({"questions": ["x" * 10_000]}, "String should have at most 2000 characters"),
        ({"briefing": "b" * 4001}, "String should have at most 4000 characters"),
    ],
)
def test_a_text_of_the_wrong_length_is_told_so_in_characters(changes: dict[str, Any], message: str) -> None:
    """Not in items, as if it were a list."""
    with pytest.raises(ValidationError) as caught:
        GroupRequest.model_validate(GOOD | changes)
    assert [error["msg"] for error in caught.value.errors()] == [message]


def test_blanks_around_a_text_do_not_count() -> None:
    """It is measured as it is kept."""
    around = {"name": f" {'n' * 200} ", "questions": [f"\n{'x' * 2000}\n"], "briefing": " " * 5000}
    request = GroupRequest.model_validate(GOOD | around)
    assert (request.name, request.questions, request.briefing) == ("n" * 200, ["x" * 2000], "")


@given(st.lists(st.text(max_size=2100), max_size=60))
def test_every_question_accepted_can_be_asked_and_stored(questions: list[str]) -> None:
    """Whatever is sent: a question that passes has 1 to 2,000 characters, none at its edges blank and none
    that Postgres refuses; the others are named."""
    try:
        request = GroupRequest.model_validate(GOOD | {"questions": questions})
    except ValidationError as error:
        places = {each["loc"] for each in error.errors()}
        assert all(place == ("questions",) or not 1 <= len(questions[place[1]].strip()) <= 2000 for place in places)  # type: ignore[index]
        return
    assert 1 <= len(request.questions) == len(questions) <= 50
    for question in request.questions:
        assert 1 <= len(question) <= 2000
        assert question == question.strip()
        assert "\x00" not in question
        question.encode()
