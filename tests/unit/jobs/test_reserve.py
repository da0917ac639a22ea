"""What is set aside for an item covers the call it makes."""

from __future__ import annotations

import pytest

from common.focus_groups import answering
from common.jobs.reserve import LIMITS, claim_micros
from common.llm.models import Models
from common.llm.prices import UnknownModel
from common.personas import making

GEMINI = Models("gemini", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")


def test_limits_are_those_the_features_ask_with() -> None:
    """What the calls may put out is what is reserved for."""
    assert LIMITS["personas"].output_tokens == making.OUTPUT_TOKENS
    assert LIMITS["focus_group"].output_tokens == answering.OUTPUT_TOKENS


def test_a_claim_reserves_for_one_call_at_its_limits() -> None:
    """Priced by the table; with the simulated model it is free."""
    assert claim_micros("focus_group", GEMINI) == 10_000 * 0.3 + 1024 * 2.5
    assert claim_micros("focus_group", Models("simulated", "s", "s", "s", simulated=True)) == 0


@pytest.mark.parametrize("kind", ["summary", "panel_review"])
def test_a_job_of_few_large_calls_reserves_for_each_by_itself(kind: str) -> None:
    """How large they are is known when they are made."""
    assert claim_micros(kind, GEMINI) == 0


def test_a_model_without_a_price_cannot_be_reserved_for() -> None:
    """Its spend could not be held to a budget."""
    with pytest.raises(UnknownModel):
        claim_micros("focus_group", Models("gemini", "unheard-of", "x", "y"))
