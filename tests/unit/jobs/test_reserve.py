"""What is set aside for an item covers what its calls may cost."""

from __future__ import annotations

import pytest

from common.focus_groups import answering
from common.jobs.models import KINDS
from common.jobs.reserve import LIMITS, THINKING_TOKENS, worst_case_micros
from common.llm.gemini.thinking import thinking
from common.llm.models import Models
from common.llm.prices import UnknownModel, estimate_cost_micros
from common.personas import briefs, making
from common.summaries import portions

GEMINI = Models("gemini", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_job_has_its_worst_case(kind: str) -> None:
    """It costs something with a real model and nothing with the simulated one."""
    assert worst_case_micros(kind, GEMINI) > 0
    assert worst_case_micros(kind, Models("simulated", "s", "s", "s", simulated=True)) == 0


def test_limits_are_those_the_features_ask_with() -> None:
    """What the calls may put out is what is reserved for, thinking included."""
    assert [limit.output_tokens for limit in LIMITS["personas"]] == [
        briefs.OUTPUT_TOKENS,
        making.OUTPUT_TOKENS,
        making.OUTPUT_TOKENS,
    ]
    assert [limit.output_tokens for limit in LIMITS["focus_group"]] == [answering.OUTPUT_TOKENS]
    assert [limit.output_tokens - THINKING_TOKENS for limit in LIMITS["summary"]] == [
        portions.OUTPUT_TOKENS,
        portions.MEND_OUTPUT_TOKENS,
    ]
    assert thinking(GEMINI.analysis, "analysis").room == THINKING_TOKENS
    assert thinking(GEMINI.standard, "standard").room == 0


def test_the_worst_case_is_the_sum_of_all_calls_at_their_limits() -> None:
    """An answer has one call, priced by the table."""
    (limit,) = LIMITS["focus_group"]
    price = estimate_cost_micros("gemini-2.5-flash", limit.input_tokens, limit.output_tokens)
    assert worst_case_micros("focus_group", GEMINI) == price
    assert worst_case_micros("personas", GEMINI) > 3 * price


def test_a_model_without_a_price_cannot_be_reserved_for() -> None:
    """Its spend could not be held to a budget."""
    with pytest.raises(UnknownModel):
        worst_case_micros("focus_group", Models("gemini", "unheard-of", "x", "y"))
