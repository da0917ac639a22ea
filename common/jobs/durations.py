"""How long calls take together: sums, the slowest of many, and what a limited number of workers does to them.

One call is taken to be lognormal, given by its median and 90th percentile. A sum is taken to be lognormal
again, with the mean and variance that the sum has (Fenton 1960, "The sum of log-normal probability
distributions in scatter transmission systems"). The slowest of n independent ones has as its p-quantile the
p^(1/n)-quantile of one. With fewer workers than chains of calls, the work is shared: Graham 1966, "Bounds for
certain multiprocessing anomalies", bounds what is left at the end by one more call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

NORMAL = NormalDist()
Z90 = NORMAL.inv_cdf(0.9)

SHARED = 0.25
"""How far calls of one job vary together (correlation): they share its language, its questions and the hour.
An assumption on the cautious side: with 0 a large job's P90 would hardly differ from its P50."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A positive quantity that is not known exactly, by its median and 90th percentile."""

    p50: float
    p90: float

    @classmethod
    def of_moments(cls, mean: float, variance: float) -> Spread:
        """The lognormal quantity with this mean and variance."""
        if mean <= 0:
            return cls(0.0, 0.0)
        sigma = math.sqrt(math.log1p(variance / mean**2))
        median = mean / math.exp(sigma**2 / 2)
        return cls(median, median * math.exp(Z90 * sigma))

    @property
    def mean(self) -> float:
        """The expected value."""
        return self.p50 * math.exp(self._sigma**2 / 2)

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return self.mean * math.sqrt(math.expm1(self._sigma**2))

    def quantile(self, p: float) -> float:
        """The value that the quantity stays under with probability `p`."""
        return self.p50 * math.exp(NORMAL.inv_cdf(p) * self._sigma)

    def __add__(self, constant: float) -> Spread:
        return Spread(self.p50 + constant, self.p90 + constant)

    def __mul__(self, factor: float) -> Spread:
        return Spread(self.p50 * factor, self.p90 * factor)

    @property
    def _sigma(self) -> float:
        return math.log(self.p90 / self.p50) / Z90 if self.p90 > self.p50 > 0 else 0.0


def together(parts: Sequence[tuple[Spread, float]], *, shared: float = SHARED) -> Spread:
    """The sum of quantities, each as often as said, that vary together as far as `shared` (correlation) says."""
    mean = sum(part.mean * count for part, count in parts)
    apart = sum(part.deviation**2 * count for part, count in parts)
    at_once = sum(part.deviation * count for part, count in parts) ** 2
    return Spread.of_moments(mean, (1 - shared) * apart + shared * at_once)


def one_after_another(stages: Sequence[Spread]) -> Spread:
    """The sum of stages that vary on their own: medians add up, and so do the squares of what P90 adds."""
    median = sum(stage.p50 for stage in stages)
    return Spread(median, median + math.sqrt(sum((stage.p90 - stage.p50) ** 2 for stage in stages)))


def side_by_side(chain: Sequence[Spread], chains: int, concurrency: int) -> Spread:
    """How long `chains` chains of these calls take, of which `concurrency` run at once."""
    if not chains or not chain:
        return Spread(0.0, 0.0)
    one = together([(call, 1) for call in chain])
    longest = Spread(one.quantile(0.5 ** (1 / chains)), one.quantile(0.9 ** (1 / chains)))
    if chains <= concurrency:
        return longest
    work = together([(call, chains) for call in chain]) * (1 / concurrency)
    last = chain[-1]
    return Spread(max(longest.p50, work.p50 + last.p50), max(longest.p90, work.p90 + last.p90))
