"""How well a produced panel matches its audience. What is not known is left out and counted, never taken for 0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from common.audiences.models import (
    CellFit,
    CrossTabFit,
    Deviation,
    DimensionFit,
    FitReport,
    LabelFit,
    OverallFit,
    Shortfall,
)
from common.audiences.preparation import Audience
from common.audiences.structure import Dimensions, Floats, Ints, Table

UNKNOWN = -1
ONE_SEAT = 1 - 1e-6
"""A hair below 1: targets carry the rounding error of shares."""


def fit_report(
    audience: Audience,
    demographics: Sequence[Mapping[str, str]],
    shortfalls: Mapping[Dimensions, Shortfall] | None = None,
) -> FitReport:
    """Compares what was produced, one mapping of dimension to label per seat, with the audience.

    Targets are shares of what was produced, so that a part of a panel can be judged as well. A seat without a known
    label of a dimension counts as missing there. `shortfalls` say why a cross-tab could not be met, where it was not.
    """
    seats = _numbered(audience, demographics)
    dimensions = tuple(_dimension_fit(audience, table, seats) for table in audience.margins)
    cross_tabs = tuple(
        _cross_tab_fit(audience, table, adjusted, seats, shortfalls or {})
        for table, adjusted in zip(audience.cross_tabs, audience.adjusted, strict=True)
    )
    notes = [*audience.notes]
    unseen = _unseen(audience, seats)
    if unseen:
        notes.append(f"{unseen} seats combine labels as no respondent did")
    for fit in cross_tabs:
        if not fit.within_one_seat:
            why = "no panel of this size could" if fit.shortfall == "impossible" else "no such panel was found"
            notes.append(f"cross-tab {' x '.join(fit.dimensions)} is not within one seat everywhere: {why}")
    return FitReport(
        dimensions=dimensions,
        cross_tabs=cross_tabs,
        overall=OverallFit(
            size=len(demographics),
            deviation=_together([fit.deviation for fit in dimensions]),
            within_one_seat=all(fit.within_one_seat for fit in dimensions),
            cross_tabs_within_one_seat=all(fit.within_one_seat for fit in cross_tabs) if cross_tabs else None,
        ),
        notes=tuple(notes),
    )


def chi_square_tail(statistic: float, degrees_of_freedom: int) -> float:
    """The probability that a chi-square variable of 1 or more degrees of freedom exceeds `statistic`.

    The finite series of Abramowitz & Stegun 1964, 26.4.4 and 26.4.5, which saves importing SciPy for one number.
    """
    half = statistic / 2
    odd = degrees_of_freedom % 2
    tail = math.erfc(math.sqrt(half)) if odd else 0.0
    for step in range(degrees_of_freedom // 2):
        power = step + 0.5 * odd
        if half > 0:
            tail += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
        elif power == 0:
            tail += 1.0
    return min(1.0, tail)


def _numbered(audience: Audience, demographics: Sequence[Mapping[str, str]]) -> Ints:
    numbers = [{label: number for number, label in enumerate(labels)} for labels in audience.labels]
    rows = [
        [known.get(row.get(name, ""), UNKNOWN) for name, known in zip(audience.names, numbers, strict=True)]
        for row in demographics
    ]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(audience.names))


def _count(table: Table, seats: Ints) -> tuple[Ints, int]:
    """Seats per flat cell of the table, and how many have a label missing."""
    columns = seats[:, list(table.dimensions)]
    known = columns[(columns != UNKNOWN).all(axis=1)]
    cells = np.ravel_multi_index(tuple(known.T), table.shape)
    return np.bincount(cells, minlength=len(table.shares)), len(columns) - len(known)


def _dimension_fit(audience: Audience, table: Table, seats: Ints) -> DimensionFit:
    (dimension,) = table.dimensions
    counts, missing = _count(table, seats)
    total = int(counts.sum())
    labels = tuple(
        LabelFit(
            label=label,
            target_share=float(share),
            target_seats=float(total * share),
            produced=int(count),
            produced_share=int(count) / total if total else None,
        )
        for label, share, count in zip(audience.labels[dimension], table.shares, counts, strict=True)
    )
    deviation = _deviation(table.shares, counts)
    return DimensionFit(
        dimension=audience.names[dimension],
        labels=labels,
        missing=missing,
        deviation=deviation,
        within_one_seat=_within(deviation),
    )


def _cross_tab_fit(
    audience: Audience, table: Table, adjusted: bool, seats: Ints, shortfalls: Mapping[Dimensions, Shortfall]
) -> CrossTabFit:
    counts, missing = _count(table, seats)
    total = int(counts.sum())
    cells = []
    for cell in np.flatnonzero((table.shares > 0) | (counts > 0)).tolist():
        labels = np.unravel_index(cell, table.shape)
        cells.append(
            CellFit(
                cell={
                    audience.names[dimension]: audience.labels[dimension][int(label)]
                    for dimension, label in zip(table.dimensions, labels, strict=True)
                },
                target_share=float(table.shares[cell]),
                target_seats=float(total * table.shares[cell]),
                produced=int(counts[cell]),
            )
        )
    deviation = _deviation(table.shares, counts)
    within = _within(deviation)
    return CrossTabFit(
        dimensions=tuple(audience.names[dimension] for dimension in table.dimensions),
        cells=tuple(cells),
        missing=missing,
        deviation=deviation,
        within_one_seat=within,
        adjusted=adjusted,
        shortfall=None if within else shortfalls.get(table.dimensions, "not_found"),
    )


def _deviation(shares: Floats, counts: Ints) -> Deviation:
    total = int(counts.sum())
    wanted = shares > 0
    freedom = int(wanted.sum()) - 1
    if not total:
        return Deviation(
            max_seats=None,
            total_variation=None,
            jensen_shannon=None,
            chi_square=None,
            degrees_of_freedom=freedom,
            p_value=None,
        )
    produced = counts / total
    expected = total * shares[wanted]
    chi_square = float(((counts[wanted] - expected) ** 2 / expected).sum()) if freedom else None
    return Deviation(
        max_seats=float(np.abs(counts - total * shares).max()),
        total_variation=float(np.abs(produced - shares).sum() / 2),
        jensen_shannon=_jensen_shannon(shares, produced),
        chi_square=chi_square,
        degrees_of_freedom=freedom,
        p_value=None if chi_square is None else chi_square_tail(chi_square, freedom),
    )


def _jensen_shannon(one: Floats, other: Floats) -> float:
    """The distance: the square root of the mean divergence, in bits, of both from their middle."""
    middle = (one + other) / 2

    def divergence(shares: Floats) -> float:
        some = shares > 0
        return float((shares[some] * np.log2(shares[some] / middle[some])).sum())

    return math.sqrt(max(0.0, (divergence(one) + divergence(other)) / 2))


def _together(deviations: Sequence[Deviation]) -> Deviation:
    """Of all dimensions: the largest deviation in seats, mean distances, summed chi-square."""
    seats = [each.max_seats for each in deviations if each.max_seats is not None]
    variation = [each.total_variation for each in deviations if each.total_variation is not None]
    distance = [each.jensen_shannon for each in deviations if each.jensen_shannon is not None]
    known = [each for each in deviations if each.chi_square is not None]
    chi_square = sum(each.chi_square or 0.0 for each in known) if known else None
    freedom = sum(each.degrees_of_freedom for each in known)
    return Deviation(
        max_seats=max(seats, default=None),
        total_variation=fmean(variation) if variation else None,
        jensen_shannon=fmean(distance) if distance else None,
        chi_square=chi_square,
        degrees_of_freedom=freedom,
        p_value=None if chi_square is None else chi_square_tail(chi_square, freedom),
    )


def _within(deviation: Deviation) -> bool:
    return deviation.max_seats is None or deviation.max_seats < ONE_SEAT


def _unseen(audience: Audience, seats: Ints) -> int:
    """How many complete seats have a combination of surveyed dimensions that no respondent has."""
    surveyed = list(audience.surveyed)
    if not surveyed:
        return 0
    home = next(clique for clique in audience.cliques if set(surveyed) <= set(clique.dimensions))
    columns = [home.dimensions.index(dimension) for dimension in surveyed]
    seen = set(map(tuple, home.cells[:, columns].tolist()))
    return sum(UNKNOWN not in row and tuple(row) not in seen for row in seats[:, surveyed].tolist())
