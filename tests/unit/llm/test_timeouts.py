"""Limiting one call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.llm.port import Calls, ModelUnavailable
from common.llm.timeouts import ANALYSIS, Timed
from tests.unit.llm.scripted import Clock, ScriptedModel, reply, request


def test_a_call_gets_its_share_of_the_time_at_most() -> None:
    """One call may not use up the time of all attempts, and never has more than is left."""
    clock, inner = Clock(), ScriptedModel([reply()])
    timed = Timed(inner, 60.0, clock=clock)

    timed.generate(request(), calls=Calls(), deadline=clock.now + 500)
    timed.generate(request(), calls=Calls(), deadline=clock.now + 5)
    timed.embed(["a"], purpose="persona", calls=Calls(), deadline=clock.now + 500)
    assert inner.deadlines == [clock.now + 60, clock.now + 5, clock.now + 60]


def test_an_analysis_gets_longer() -> None:
    """It puts out far more than an answer does."""
    clock, inner = Clock(), ScriptedModel([reply()])
    analysis = replace(request(), tier="analysis")
    Timed(inner, 60.0, clock=clock).generate(analysis, calls=Calls(), deadline=clock.now + 500)
    assert inner.deadlines == [clock.now + 60 * ANALYSIS]


def test_no_call_is_made_when_the_time_is_up() -> None:
    """A reply nobody waits for is not paid for."""
    clock, inner = Clock(), ScriptedModel([reply()])

    with pytest.raises(ModelUnavailable, match="no time was left"):
        Timed(inner, 60.0, clock=clock).generate(request(), calls=Calls(), deadline=clock.now)
    assert inner.requests == []
