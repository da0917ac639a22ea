"""Limiting one call."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from common.llm.port import Calls, ModelUnavailable
from common.llm.timeouts import ANALYSIS, Timed
from common.shutdown import Shutdown
from tests.unit.llm.scripted import Clock, ScriptedModel, reply, request


def test_a_call_gets_its_share_of_the_time_at_most() -> None:
    """One call may not use up the time of all attempts, and never has more than is left."""
    clock, inner = Clock(), ScriptedModel([reply()])
    timed = Timed(inner, 60.0, Shutdown(), clock=clock)

    timed.generate(request(), calls=Calls(), deadline=clock.now + 500)
    timed.generate(request(), calls=Calls(), deadline=clock.now + 5)
    timed.embed(["a"], purpose="persona", calls=Calls(), deadline=clock.now + 500)
    assert inner.deadlines == [clock.now + 60, clock.now + 5, clock.now + 60]


def test_an_analysis_gets_longer() -> None:
    """It puts out far more than an answer does."""
    clock, inner = Clock(), ScriptedModel([reply()])
    analysis = replace(request(), tier="analysis")
    Timed(inner, 60.0, Shutdown(), clock=clock).generate(analysis, calls=Calls(), deadline=clock.now + 500)
    assert inner.deadlines == [clock.now + 60 * ANALYSIS]


def test_no_call_is_made_when_the_time_is_up() -> None:
    """A reply nobody waits for is not paid for."""
    clock, inner = Clock(), ScriptedModel([reply()])

    with pytest.raises(ModelUnavailable, match="no time was left"):
        Timed(inner, 60.0, Shutdown(), clock=clock).generate(request(), calls=Calls(), deadline=clock.now)
    assert inner.requests == []


def test_a_call_ends_in_time_for_the_end_of_the_process() -> None:
    """From when the process is to end calls get what is left for them, and after that there are none."""
    inner, shutdown = ScriptedModel([reply()]), Shutdown()
    clock = Clock(now=time.monotonic())
    timed = Timed(inner, 60.0, shutdown, clock=clock)
    shutdown.begin()

    timed.generate(request(), calls=Calls(), deadline=clock.now + 500)
    assert inner.deadlines == [shutdown.calls_end()]
    clock.now = shutdown.calls_end()
    with pytest.raises(ModelUnavailable, match="no time was left"):
        timed.generate(request(), calls=Calls(), deadline=clock.now + 500)
