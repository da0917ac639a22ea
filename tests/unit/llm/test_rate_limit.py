"""Keeping calls within the rate."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from common.llm.limits.local import LocalLimiter
from common.llm.limits.port import Rates
from common.llm.port import Calls, RateLimited
from common.llm.prompts import Prompts
from common.llm.rate_limit import Limited
from tests.unit.llm.scripted import FAR, MODELS, Clock, ScriptedModel, reply, request


@dataclass
class ScriptedLimiter:
    """Tells to wait as a test wrote down."""

    waits: list[float]
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    turned: list[tuple[str, float | None]] = field(default_factory=list)

    def reserve(self, model: str, requests: int, tokens: int, *, patience: float) -> float:
        self.asked.append((model, requests, tokens))
        return self.waits.pop(0)

    def turned_away(self, model: str, retry_after: float | None) -> None:
        self.turned.append((model, retry_after))


def test_a_call_waits_for_its_turn_and_looks_once_more(prompts: Prompts) -> None:
    """It sleeps for as long as it is told, and then asks whether everyone was stopped meanwhile."""
    clock, limiter = Clock(), ScriptedLimiter([1.5, 2.0, 0.0])
    model = Limited(ScriptedModel([reply()]), limiter, MODELS, prompts, clock=clock, sleep=clock.sleep)

    model.generate(request(), calls=Calls(), deadline=clock.now + 60)

    assert clock.slept == [1.5, 2.0]
    assert [requests for _, requests, _ in limiter.asked] == [1, 0, 0]
    assert limiter.asked[0][2] == 6 + 16


def test_a_turn_after_the_deadline_is_not_waited_for(prompts: Prompts) -> None:
    """The caller hears at once when to come back."""
    clock, inner = Clock(), ScriptedModel([reply()])
    model = Limited(inner, ScriptedLimiter([61.0]), MODELS, prompts, clock=clock, sleep=clock.sleep)

    with pytest.raises(RateLimited) as caught:
        model.generate(request(), calls=Calls(), deadline=clock.now + 60)
    assert caught.value.retry_after == 61.0
    assert (clock.slept, inner.requests) == ([], [])


def test_the_limiter_hears_of_calls_turned_away(prompts: Prompts) -> None:
    """A 429 slows down everyone, and the error goes on to whoever retries."""
    limiter = ScriptedLimiter([0.0])
    model = Limited(ScriptedModel([RateLimited("busy", retry_after=9.0)]), limiter, MODELS, prompts)

    with pytest.raises(RateLimited):
        model.generate(request(tier="analysis"), calls=Calls(), deadline=FAR)
    assert limiter.turned == [("gemini-2.5-pro", 9.0)]


def test_embeddings_have_a_limit_of_their_own(prompts: Prompts) -> None:
    """A batch counts as one request of all its tokens, to the embedding model."""
    limiter = ScriptedLimiter([0.0])
    Limited(ScriptedModel([reply()]), limiter, MODELS, prompts).embed(
        ["abcd", "abcdefgh"], purpose="persona", calls=Calls(), deadline=FAR
    )

    assert limiter.asked == [("gemini-embedding-001", 1, 3)]


def test_a_process_alone_makes_its_calls_at_the_rate(prompts: Prompts) -> None:
    """Sixty a minute are, after a burst of five, one every second."""
    clock = Clock()
    limiter = LocalLimiter(Rates(60, 1_000_000), clock=clock)
    model = Limited(ScriptedModel([reply()]), limiter, MODELS, prompts, clock=clock, sleep=clock.sleep)

    for _ in range(15):
        model.generate(request(), calls=Calls(), deadline=FAR)
    assert sum(clock.slept) == pytest.approx(10.0)
