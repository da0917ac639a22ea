"""How far a panel's counts are from their targets. Definitions and sources stand at `models.Deviation`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.audiences.models import Deviation, OverallFit

WITHIN = 1.0 - 1e-9
"""A count is within one seat when it is less than one away: the floor or the ceiling of its target."""


def deviation(targets: Sequence[float], counts: Sequence[int]) -> Deviation:
    """Compares counts with target shares (0 to 1, summing to 1), cell by cell.

    Chi-square is over the cells with a positive target. Without any counts, or with fewer than two such cells for
    the test, the figures that would need them are None.
    """
    shares = np.asarray(targets, dtype=np.float64)
    produced = np.asarray(counts, dtype=np.float64)
    size = float(produced.sum())
    positive = shares > 0
    freedom = max(int(positive.sum()) - 1, 0)
    if size == 0:
        return Deviation(
            max_seats=None,
            total_variation=None,
            jensen_shannon=None,
            chi_square=None,
            degrees_of_freedom=freedom,
            p_value=None,
        )
    expected = shares * size
    found = produced / size
    chi_square = float(np.sum((produced[positive] - expected[positive]) ** 2 / expected[positive]))
    return Deviation(
        max_seats=float(np.max(np.abs(produced - expected))),
        total_variation=float(np.sum(np.abs(found - shares)) / 2),
        jensen_shannon=_jensen_shannon(shares, found),
        chi_square=chi_square if freedom else None,
        degrees_of_freedom=freedom,
        p_value=upper_tail(chi_square, freedom) if freedom else None,
    )


def overall(deviations: Sequence[Deviation], size: int, *, cross_tabs_within: bool | None) -> OverallFit:
    """All dimensions together: the largest deviation in seats, mean distances, and the chi-squares added up."""
    tested = [each for each in deviations if each.chi_square is not None]
    freedom = sum(each.degrees_of_freedom for each in tested)
    chi_square = sum(each.chi_square for each in tested if each.chi_square is not None)
    largest = [each.max_seats for each in deviations if each.max_seats is not None]
    variations = [each.total_variation for each in deviations if each.total_variation is not None]
    distances = [each.jensen_shannon for each in deviations if each.jensen_shannon is not None]
    return OverallFit(
        size=size,
        deviation=Deviation(
            max_seats=max(largest, default=None),
            total_variation=float(np.mean(variations)) if variations else None,
            jensen_shannon=float(np.mean(distances)) if distances else None,
            chi_square=chi_square if tested else None,
            degrees_of_freedom=freedom,
            p_value=upper_tail(chi_square, freedom) if tested else None,
        ),
        within_one_seat=all(seats < WITHIN for seats in largest),
        cross_tabs_within_one_seat=cross_tabs_within,
    )


def upper_tail(chi_square: float, degrees_of_freedom: int) -> float:
    """The probability of a chi-square this large or larger."""
    from scipy.special import chdtrc

    return float(chdtrc(degrees_of_freedom, chi_square))


def _jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    middle = (first + second) / 2
    divergence = (_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _relative_entropy(first: np.ndarray, second: np.ndarray) -> float:
    there = first > 0
    return float(np.sum(first[there] * np.log2(first[there] / second[there])))
