"""How many tokens a model may spend on thinking, which Gemini counts as output and charges for."""

from __future__ import annotations

from dataclasses import dataclass

from common.llm.port import Tier

LEAST = {"gemini-2.5-flash": 0, "gemini-2.5-pro": 128}
"""The least each model can do with: https://ai.google.dev/gemini-api/docs/thinking."""

ANALYSIS_TOKENS = 2048
UNKNOWN_TOKENS = 8192
"""What models think by themselves at most, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """The `budget` to ask for (None: the model's own way) and the `room` it takes of the output limit, in tokens."""

    budget: int | None
    room: int


def thinking(model: str, tier: Tier) -> Thinking:
    """As little as the model can do with for what a respondent says off the cuff, more for an analysis.

    Left to themselves the models think for as long as the limit of the output allows, and the reply is
    then cut off before it starts.
    """
    if model not in LEAST:
        return Thinking(None, UNKNOWN_TOKENS)
    budget = max(LEAST[model], ANALYSIS_TOKENS) if tier == "analysis" else LEAST[model]
    return Thinking(budget, budget)
