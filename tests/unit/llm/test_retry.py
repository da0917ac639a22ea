"""Trying again within the caller's time."""

from __future__ import annotations

import threading

import pytest

from common.llm.port import BadReply, Calls, ModelUnavailable, RateLimited, Refused
from common.llm.retry import MAX_WAIT_SECONDS, Retrying, wait_seconds
from common.shutdown import Shutdown, ShuttingDown
from tests.fixtures.eventually import eventually
from tests.unit.llm.scripted import FAR, Clock, ScriptedModel, Sleepless, reply, request


def test_what_passes_is_tried_again() -> None:
    """A failure of the provider is invisible when the next attempt succeeds."""
    inner = ScriptedModel([ModelUnavailable("down"), RateLimited("busy", retry_after=0.1), reply()])

    assert Retrying(inner, Sleepless()).generate(request(), calls=Calls(), deadline=FAR) == reply()
    assert len(inner.requests) == 3


def test_a_refusal_is_final() -> None:
    """Asking again would not help: the first refusal is the last attempt."""
    inner = ScriptedModel([Refused("no"), reply()])

    with pytest.raises(Refused):
        Retrying(inner, Sleepless()).generate(request(), calls=Calls(), deadline=FAR)
    assert len(inner.requests) == 1


def test_attempts_are_limited() -> None:
    """After the last attempt the error goes to the caller, who can have the work delivered again."""
    inner = ScriptedModel([ModelUnavailable("down")])

    with pytest.raises(ModelUnavailable) as caught:
        Retrying(inner, Sleepless(), attempts=3).generate(request(), calls=Calls(), deadline=FAR)
    assert len(inner.requests) == 3
    assert caught.value.retry_after


def test_no_attempt_starts_after_the_deadline() -> None:
    """Where the server asks for more time than is left, the error says how long to wait and nothing waits."""
    clock = Clock()
    inner = ScriptedModel([RateLimited("busy", retry_after=30.0)], clock)

    with pytest.raises(RateLimited) as caught:
        Retrying(inner, Sleepless(), clock=clock).generate(request(), calls=Calls(), deadline=clock.now + 20)
    assert len(inner.requests) == 1
    assert caught.value.retry_after
    assert caught.value.retry_after >= 30.0


def test_time_that_calls_take_counts() -> None:
    """Slow failures use up the time as waiting does."""
    clock = Clock()
    inner = ScriptedModel([ModelUnavailable("time-out")], clock, seconds=9.0)

    with pytest.raises(ModelUnavailable):
        Retrying(inner, Sleepless(), clock=clock).generate(request(), calls=Calls(), deadline=clock.now + 20)
    assert len(inner.requests) == 2 + 1


def test_a_bad_reply_is_asked_for_with_another_seed() -> None:
    """The same seed would tend to the same bad reply; the next one follows from it, so that it replays."""

    def seeds() -> list[int]:
        inner = ScriptedModel([BadReply("cut"), ModelUnavailable("down"), BadReply("cut"), reply()])
        Retrying(inner, Sleepless()).generate(request(), calls=Calls(), deadline=FAR)
        return [asked.seed for asked in inner.requests]

    first, second, third, fourth = seeds()
    assert first != second == third != fourth
    assert seeds() == [first, second, third, fourth]


def test_what_fails_while_the_process_ends_is_left_to_another() -> None:
    """A failure then is no reason to wait, and not the model's: whoever has the work next starts afresh."""
    shutdown = Shutdown()
    inner = ScriptedModel([ModelUnavailable("down"), reply()])
    shutdown.begin()

    with pytest.raises(ShuttingDown):
        Retrying(inner, shutdown).generate(request(), calls=Calls(), deadline=FAR)
    assert len(inner.requests) == 1


def test_waiting_ends_when_the_process_is_to_end() -> None:
    """Nobody waits for another attempt in a process that has no time for one."""
    shutdown = Shutdown()
    inner = ScriptedModel([RateLimited("busy", retry_after=1000.0), reply()])
    raised: list[Exception] = []

    def ask() -> None:
        try:
            Retrying(inner, shutdown).generate(request(), calls=Calls(), deadline=FAR)
        except ShuttingDown as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(lambda: inner.requests)
    shutdown.begin()
    asking.join(timeout=30)
    assert len(raised) == len(inner.requests) == 1


def test_embeddings_are_retried_too() -> None:
    """Embedding follows the same rule."""
    inner = ScriptedModel([ModelUnavailable("down"), reply()])

    Retrying(inner, Sleepless()).embed(["a"], purpose="persona", calls=Calls(), deadline=FAR)
    assert inner.embedded == [["a"], ["a"]]


def test_waits_grow_with_jitter_up_to_a_limit() -> None:
    """Each wait is about twice the one before, and none is absurd."""
    assert all(0.25 <= wait_seconds(1, None) <= 0.5 for _ in range(50))
    assert all(1.0 <= wait_seconds(3, None) <= 2.0 for _ in range(50))
    assert all(wait_seconds(50, None) <= MAX_WAIT_SECONDS for _ in range(50))
    assert len({wait_seconds(3, None) for _ in range(50)}) > 1


def test_waits_are_never_shorter_than_the_server_asks() -> None:
    """Retry-After is honoured, with some jitter on top."""
    waits = {wait_seconds(1, 7.0) for _ in range(50)}
    assert min(waits) >= 7.0
    assert max(waits) <= 8.1
    assert len(waits) > 1
