"""The arithmetic of the limiter, on a clock of its own."""

from __future__ import annotations

import pytest

from common.llm.limits.local import LocalLimiter
from common.llm.limits.port import Rates
from tests.unit.llm.scripted import Clock

MODEL = "m"


def limiter(clock: Clock, *, requests: float = 60, tokens: float = 1e9) -> LocalLimiter:
    """A limiter of one request a second."""
    return LocalLimiter(Rates(requests, tokens), clock=clock)


def test_a_burst_is_let_through_and_then_the_rate_holds() -> None:
    """At one request a second, five pass at once and each further one waits a second longer."""
    limits = limiter(Clock())

    waits = [limits.reserve(MODEL, 1, 0, patience=100) for _ in range(8)]
    assert waits == pytest.approx([0, 0, 0, 0, 0, 1, 2, 3])


def test_tokens_are_limited_as_requests_are() -> None:
    """Whichever of the two runs out decides."""
    limits = limiter(Clock(), requests=1e9, tokens=6000)

    assert [limits.reserve(MODEL, 1, 250, patience=100) for _ in range(4)] == pytest.approx([0, 0, 2.5, 5.0])


def test_a_call_larger_than_a_burst_still_passes() -> None:
    """A prompt of more tokens than fit in the burst waits for those before it, not for ever."""
    limits = limiter(Clock(), requests=1e9, tokens=6000)

    assert limits.reserve(MODEL, 1, 6000, patience=0) == 0
    assert limits.reserve(MODEL, 1, 6000, patience=100) == pytest.approx(60)


def test_nothing_is_reserved_beyond_the_patience() -> None:
    """Who does not wait takes nobody's place."""
    limits = limiter(Clock())
    for _ in range(5):
        limits.reserve(MODEL, 1, 0, patience=0)

    assert [limits.reserve(MODEL, 1, 0, patience=0.5) for _ in range(3)] == pytest.approx([1, 1, 1])


def test_models_do_not_share_their_limits() -> None:
    """One model's stream is not another's."""
    limits = limiter(Clock())
    for _ in range(5):
        limits.reserve(MODEL, 1, 0, patience=0)

    assert limits.reserve("other", 1, 0, patience=0) == 0


def test_retry_after_stops_everyone_until_then() -> None:
    """No call to the model is made before the time the server asked for, whether it has a place or not."""
    clock = Clock()
    limits = limiter(clock)
    limits.turned_away(MODEL, 30.0)

    assert limits.reserve(MODEL, 1, 0, patience=0) == pytest.approx(30)
    assert limits.reserve(MODEL, 0, 0, patience=0) == pytest.approx(30)
    clock.now += 31
    assert limits.reserve(MODEL, 1, 0, patience=0) == 0
    assert limits.reserve(MODEL, 0, 0, patience=0) == 0


def test_a_429_halves_the_rate_and_time_restores_it() -> None:
    """The rate falls at once and comes back within a minute."""
    clock = Clock()
    limits = limiter(clock)
    limits.turned_away(MODEL, None)
    halved = [limits.reserve(MODEL, 1, 0, patience=100) for _ in range(5)]
    clock.now += 60
    restored = [limits.reserve(MODEL, 1, 0, patience=100) for _ in range(7)]

    assert halved == pytest.approx([0, 0, 1, 3, 5])
    assert restored == pytest.approx([0, 0, 0, 0, 0, 1, 2])


def test_429s_of_one_moment_count_once() -> None:
    """Calls that were under way together do not each halve the rate."""
    clock = Clock()
    limits = limiter(clock)
    for _ in range(20):
        limits.turned_away(MODEL, None)
    assert [limits.reserve(MODEL, 1, 0, patience=100) for _ in range(4)] == pytest.approx([0, 0, 1, 3])

    clock.now += 2
    limits.turned_away(MODEL, None)
    assert limits.reserve(MODEL, 1, 0, patience=100) > 3
