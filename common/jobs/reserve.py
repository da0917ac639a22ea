"""How much money a claim sets aside for its item, so that items at work together keep to their job's budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.llm.models import Models
from common.llm.port import Tier
from common.llm.prices import estimate_cost_micros


@dataclass(frozen=True, slots=True)
class Limit:
    """The most an ordinary call may put in and out, in tokens; in as `common.llm.ceilings` counts them, by bytes."""

    tier: Tier
    input_tokens: int
    output_tokens: int


LIMITS: Mapping[str, Limit] = {
    # The persona itself: briefs are shared and few are put right.
    "personas": Limit("standard", 12_000, 3072),
    # A persona, and the memory of a few questions.
    "focus_group": Limit("standard", 10_000, 1024),
}
"""The call that every item of a kind of job makes, where there are many items."""


def claim_micros(kind: str, models: Models) -> int:
    """What is reserved with the claim of an item of this kind of job, in millionths of a US dollar: the most that
    its one ordinary call may cost, so that most items need no reservation but that; nothing for the simulated model.

    Jobs of few items and large calls reserve nothing so: each call does by itself (`common.jobs.spending`), for
    what it is. Raises `UnknownModel` for a model without a price.
    """
    limit = LIMITS.get(kind)
    if models.simulated or limit is None:
        return 0
    return estimate_cost_micros(models.of(limit.tier), limit.input_tokens, limit.output_tokens)
