"""How much money an item sets aside before its calls, so that items at work together keep to their job's budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.llm.models import Models
from common.llm.port import Tier
from common.llm.prices import estimate_cost_micros
from common.summaries.portions import MEND_OUTPUT_TOKENS, OUTPUT_TOKENS, PORTION_TOKENS


@dataclass(frozen=True, slots=True)
class Limit:
    """The most one call may put in and out, in tokens."""

    tier: Tier
    input_tokens: int
    output_tokens: int


THINKING_TOKENS = 2048
"""What an analysis may think beyond its output limit, charged as output."""

LIMITS: Mapping[str, tuple[Limit, ...]] = {
    # A brief, a persona, and the persona again to be put right.
    "personas": (Limit("standard", 2000, 1536), Limit("standard", 8000, 3072), Limit("standard", 12_000, 3072)),
    # A full memory takes 3,000 tokens of the input, a long persona 2,000.
    "focus_group": (Limit("standard", 8000, 1024),),
    # A portion with its questions and phrases, or as much of readings to merge; and a claim asked about again.
    "summary": (
        Limit("analysis", 2 * PORTION_TOKENS, OUTPUT_TOKENS + THINKING_TOKENS),
        Limit("analysis", PORTION_TOKENS // 2, MEND_OUTPUT_TOKENS + THINKING_TOKENS),
    ),
}
_REVIEW_TOKENS = 1000 * 600
"""The longest panel, of long personas; embeddings put nothing out."""


def worst_case_micros(kind: str, models: Models) -> int:
    """What is reserved for one item of a job of this kind before its calls, in millionths of a US dollar: the
    most its calls may put out and a generous input, corrections included; nothing for the simulated model.

    Replies that are no use and asked for again by the retry layer are not: they are settled as they come.
    Raises `UnknownModel` for a model without a price.
    """
    if models.simulated:
        return 0
    if kind == "panel_review":
        return estimate_cost_micros(models.embedding, _REVIEW_TOKENS, 0)
    return sum(
        estimate_cost_micros(models.of(limit.tier), limit.input_tokens, limit.output_tokens) for limit in LIMITS[kind]
    )
