"""How long calls take together, held against simulated schedules."""

from __future__ import annotations

import heapq
import math
import random
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.jobs.durations import Z90, Spread, one_after_another, side_by_side, together

LATENCY = Spread(1.0, 1.8)
spreads = st.builds(lambda p50, more: Spread(p50, p50 * more), st.floats(0.001, 1000), st.floats(1.0, 5.0))


def simulate(chains: int, length: int, concurrency: int, rounds: int = 300) -> tuple[float, float]:
    """Median and 90th percentile of how long chains of calls take when workers take whatever is ready."""
    rng = random.Random(1)
    sigma = math.log(LATENCY.p90 / LATENCY.p50) / Z90
    ended = []
    for _ in range(rounds):
        workers = [0.0] * concurrency
        ready = [(0.0, chain, length) for chain in range(chains)]
        while ready:
            at, chain, left = heapq.heappop(ready)
            free = heapq.heappop(workers)
            done = max(at, free) + rng.lognormvariate(0.0, sigma)
            heapq.heappush(workers, done)
            if left > 1:
                heapq.heappush(ready, (done, chain, left - 1))
        ended.append(max(workers))
    deciles = quantiles(ended, n=10)
    return deciles[4], deciles[8]


@pytest.mark.parametrize(
    ("chains", "length", "concurrency"),
    [(1, 4, 8), (20, 4, 64), (20, 1, 64), (100, 4, 32), (200, 2, 8), (64, 4, 64)],
)
def test_estimates_come_near_what_schedules_take(chains: int, length: int, concurrency: int) -> None:
    """The median is within a fifth of a simulated one, and the 90th percentile is not below it by more."""
    estimated = side_by_side([LATENCY] * length, chains, concurrency)
    p50, p90 = simulate(chains, length, concurrency)
    assert estimated.p50 == pytest.approx(p50, rel=0.2)
    assert estimated.p90 >= 0.95 * p90
    assert estimated.p90 <= 2 * p90


@given(spreads)
def test_moments_give_the_quantity_back(spread: Spread) -> None:
    """Mean and variance determine median and 90th percentile, and the other way round."""
    back = Spread.of_moments(spread.mean, spread.deviation**2)
    assert back.p50 == pytest.approx(spread.p50, rel=1e-6)
    assert back.p90 == pytest.approx(spread.p90, rel=1e-6)
    assert spread.quantile(0.5) == pytest.approx(spread.p50)
    assert spread.quantile(0.9) == pytest.approx(spread.p90)


@given(spreads, st.integers(1, 500))
def test_sums_keep_the_mean_and_vary_more_the_more_is_shared(spread: Spread, count: int) -> None:
    """What varies together does not average out."""
    alone, some, all_ = (together([(spread, count)], shared=shared) for shared in (0.0, 0.25, 1.0))
    assert some.mean == pytest.approx(count * spread.mean, rel=1e-6)
    ordered = (alone.p90 / alone.p50, some.p90 / some.p50, all_.p90 / all_.p50)
    assert ordered[0] <= ordered[1] * (1 + 1e-9) <= ordered[2] * (1 + 2e-9)


def test_what_is_known_exactly_stays_exact() -> None:
    """Without spread, times just add up: in waves when workers are fewer than chains."""
    exact = Spread(2.0, 2.0)
    assert one_after_another([exact, exact]) == Spread(4.0, 4.0)
    waited = side_by_side([exact, exact], 5, 10)
    assert [waited.p50, waited.p90] == pytest.approx([4.0, 4.0])
    shared = side_by_side([exact], 100, 10)
    assert 20.0 <= shared.p50 <= 22.0


def test_nothing_takes_no_time() -> None:
    """Neither no chains nor free calls break the arithmetic."""
    assert side_by_side([LATENCY], 0, 8) == Spread(0.0, 0.0)
    assert side_by_side([Spread(0.0, 0.0)] * 3, 10, 2) == Spread(0.0, 0.0)
    assert one_after_another([]) == Spread(0, 0)
