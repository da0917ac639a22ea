"""What the calls of each kind of job are like, until a workspace has made enough of them itself.

Tokens were counted on the prompts in prompts/, filled in for ordinary personas, questions and answers, and
are given as (median, 90th percentile). Every figure is an assumption to start from, not a promise.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.jobs.durations import Spread
from common.llm.port import Tier

INPUT = {
    "brief": Spread(500, 650),
    "persona": Spread(1500, 2100),
    "persona_repair": Spread(2600, 3400),
    "panel_review": Spread(350, 500),
    "answer": Spread(1250, 1700),
}
"""Tokens put in. Of `answer` without the question and the memory, of `panel_review` for each persona."""

OUTPUT = {
    "brief": Spread(450, 700),
    "persona": Spread(900, 1300),
    "persona_repair": Spread(900, 1300),
    "panel_review": Spread(0, 0),
    "answer": Spread(180, 300),
    "summary": Spread(6000, 9500),
    "summary_part": Spread(5000, 8000),
    "summary_fold": Spread(5000, 8000),
    "summary_merge": Spread(6500, 10000),
    "summary_mend": Spread(2500, 4000),
}
"""Tokens that come out. Those of an analysis include some 2,000 of thinking, which Gemini charges as output."""

TEXT_SHARE = 0.65
"""How much of what an answer puts out is its text; the rest is stance, themes and the form around them."""

HEARD_TOKENS = 700
"""What the digest and the quotes of a discussion add to an answer's input."""

REPAIR_RATE = 0.05
"""The share of personas asked to be put right, and so cost twice."""

MEND_RATE = 0.3
"""The share of readings with a claim to be asked about again."""

SPEED: Mapping[Tier, tuple[float, float]] = {"standard": (0.5, 200.0), "analysis": (2.0, 100.0)}
"""Seconds until a reply begins, and tokens a second from then. Gemini 2.5 Flash without thinking is reported
at 0.33 s and 217 tokens/s (ywian.com/blog/gemini-2-5-flash-features-performance), rounded here to the
cautious side; Pro is taken to be half as fast."""

SLOW = 2.0
"""P90 of a call's latency over its median."""

EMBEDDING_SECONDS = Spread(0.4, 0.8)
"""One request that embeds up to 100 texts."""


def latency(tier: Tier, output: Spread) -> Spread:
    """How long a call takes that puts out so many tokens, in seconds."""
    start, per_second = SPEED[tier]
    median = start + output.p50 / per_second
    return Spread(median, median * SLOW)
