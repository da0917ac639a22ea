"""The price table and its arithmetic."""

from __future__ import annotations

import datetime as dt

import pytest

from common.llm.port import Usage
from common.llm.prices import (
    PRICES,
    PRICES_OF,
    SOURCE,
    UnknownModel,
    cost_micros,
    estimate_cost_micros,
    estimate_tokens,
    require_price,
)
from common.settings import Settings


def test_a_million_tokens_cost_what_the_table_says() -> None:
    """Input, output and cached input are charged at their own price per million tokens."""
    assert cost_micros("gemini-2.5-flash", Usage(1_000_000, 0, 0)) == 300_000
    assert cost_micros("gemini-2.5-flash", Usage(0, 1_000_000, 0)) == 2_500_000
    assert cost_micros("gemini-2.5-flash", Usage(1_000_000, 0, 1_000_000)) == 30_000


def test_long_inputs_have_their_own_price() -> None:
    """Above the threshold the whole call costs the higher price, output too."""
    assert cost_micros("gemini-2.5-pro", Usage(200_000, 1000)) == 250_000 + 10_000
    assert cost_micros("gemini-2.5-pro", Usage(200_001, 1000)) == 500_003 + 15_000


def test_costs_are_rounded_up() -> None:
    """A call is never free for being small."""
    assert cost_micros("gemini-2.5-flash", Usage(1, 0, 1)) == 1
    assert cost_micros("gemini-2.5-flash", Usage()) == 0


def test_estimates_use_the_same_table() -> None:
    """What is estimated for tokens is what they cost."""
    assert estimate_cost_micros("gemini-2.5-pro", 5000, 700) == cost_micros("gemini-2.5-pro", Usage(5000, 700))


def test_unknown_models_are_named_with_those_that_are_known() -> None:
    """Spending that could not be counted is refused, clearly."""
    with pytest.raises(UnknownModel, match=r"gemini-9.*gemini-2\.5-flash"):
        require_price("gemini-9")


def test_tokens_are_estimated_from_characters() -> None:
    """Four characters make a token, and a part of one counts."""
    assert [estimate_tokens(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]


def test_every_default_model_has_a_price() -> None:
    """Sight can run as it comes."""
    fields = Settings.model_fields
    assert {fields[f"gemini_{part}model"].default for part in ("", "analysis_", "embedding_")} <= set(PRICES)


def test_the_table_has_a_date_and_a_source() -> None:
    """Where the prices are from and how old they are can be said."""
    assert dt.date.fromisoformat(PRICES_OF)
    assert SOURCE.startswith("https://ai.google.dev/")
