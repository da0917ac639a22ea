"""How much a model may think."""

from __future__ import annotations

from common.llm.gemini.thinking import UNKNOWN_TOKENS, Thinking, thinking


def test_respondents_do_not_think_and_analysts_do() -> None:
    """What is said off the cuff needs no thinking; an analysis gets some, with room for it in the output."""
    assert thinking("gemini-2.5-flash", "standard") == Thinking(0, 0)
    assert thinking("gemini-2.5-flash", "analysis") == Thinking(2048, 2048)


def test_models_that_must_think_get_the_least_they_take() -> None:
    """2.5-pro answers 400 to a budget of nothing."""
    assert thinking("gemini-2.5-pro", "standard") == Thinking(128, 128)
    assert thinking("gemini-2.5-pro", "analysis") == Thinking(2048, 2048)


def test_unknown_models_are_left_to_themselves() -> None:
    """A model which may not take a budget is sent none, and has room for what it does by itself."""
    assert thinking("gemini-3-pro", "standard") == Thinking(None, UNKNOWN_TOKENS)
