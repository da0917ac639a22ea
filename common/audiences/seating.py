"""Seats from counts: who sits where, clique after clique, so that even what nothing ties together comes out even."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.audiences.structure import Clique, Dimensions, Floats, Ints, summed

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of the golden ratio spread most evenly over the unit interval (Niederreiter 1992, "Random Number
Generation and Quasi-Monte Carlo Methods", chapter 3)."""
GRID = 9
"""Decimals that partial sums are rounded to, so that the last bit decides nothing."""


def seat_clique(
    seats: Ints, taken: Dimensions, clique: Clique, counts: Floats, sizes: Sequence[int], generator: np.random.Generator
) -> None:
    """Gives every seat (a row of `seats`, one column per dimension) a cell of the clique.

    `taken` are the dimensions seated before; the clique agrees with them on its separator. `counts` are seats per
    cell. Where they are fractional, or do not fit what the separator got, each group rounds them by systematic
    sampling with a random start (Madow 1949), which keeps expectations. Within a group the cells are dealt to the
    seats, both in the order of their labels, along multiples of the golden ratio: every stretch of seats gets its
    share of every stretch of cells, and every seat every cell with the same chance.
    """
    at = [clique.dimensions.index(dimension) for dimension in clique.separator]
    seat_group = _number(seats[:, list(clique.separator)], [sizes[dimension] for dimension in clique.separator])
    cell_group = _number(clique.cells[:, at], [sizes[dimension] for dimension in clique.separator])
    cell_order = _by_label(cell_group, clique.cells, generator)
    seat_order = _by_label(seat_group, seats[:, list(taken)], generator)
    group_sizes = np.bincount(seat_group, minlength=int(cell_group.max()) + 1)
    whole = _systematic(counts[cell_order], cell_group[cell_order], group_sizes, generator)
    units = np.repeat(cell_order, whole)
    groups = seat_group[seat_order]
    starts = np.cumsum(group_sizes) - group_sizes
    within = np.arange(len(seats)) - starts[groups]
    turn = (within * GOLDEN + generator.random(len(group_sizes))[groups]) % 1.0
    dealt = seat_order[np.lexsort((turn, groups))]
    seats[dealt[:, np.newaxis], list(clique.dimensions)] = clique.cells[units]


def _number(labels: Ints, sizes: Sequence[int]) -> Ints:
    """One number for each row of labels."""
    numbers = np.zeros(len(labels), dtype=np.int64)
    for column, size in enumerate(sizes):
        numbers = numbers * size + labels[:, column]
    return numbers


def _by_label(group: Ints, labels: Ints, generator: np.random.Generator) -> Ints:
    """An order by group, then by labels, dimensions and labels each in random succession, then by lot."""
    count, width = labels.shape
    codes = [np.argsort(generator.random(labels[:, column].max() + 1))[labels[:, column]] for column in range(width)]
    succession = np.argsort(generator.random(width))
    return np.lexsort((generator.random(count), *(codes[column] for column in succession), group))


def _systematic(expected: Floats, group: Ints, totals: Ints, generator: np.random.Generator) -> Ints:
    """Whole numbers with the given total per group, in expectation proportional to `expected`. Groups are in order."""
    sums = summed(group, expected, len(totals))
    scale = np.divide(totals, sums, out=np.zeros(len(totals)), where=sums > 0)
    ends = np.round(np.cumsum(expected * scale[group]), GRID)
    chance = generator.random(len(totals))[group]
    steps = np.floor(ends + chance)
    last = np.flatnonzero(np.diff(group, append=-1))
    steps[last] = np.cumsum(totals)[group[last]]
    return np.diff(steps, prepend=0).astype(np.int64)
