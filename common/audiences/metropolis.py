"""Moves seats until every cross-tab cell is within one seat, without leaving the audience's joint distribution.

Two seats swap their labels of one dimension, which leaves every single dimension as it is. A swap is kept by the rule
of Metropolis et al. 1953 ("Equation of state calculations by fast computing machines") for the likelihood of the panel
under the joint distribution, times a penalty for every seat a cross-tab cell is off that grows as moves go by
(Kirkpatrick, Gelatt & Vecchi 1983, "Optimization by simulated annealing").
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.audiences.balancing import rounded_down, rounded_up
from common.audiences.likelihood import Term, log_likelihood
from common.audiences.structure import Ints, Table

MOVES = 200_000
FIRST_PENALTY = 3.0
LAST_PENALTY = 10.0


@dataclass(slots=True)
class _Counted:
    """A cross-tab while seats move: one label further in a dimension is `strides` cells further, `cells` says where
    each seat is, and the count of a cell may go from `low` to `high`."""

    strides: dict[int, int]
    cells: list[int]
    counts: list[int]
    low: list[int]
    high: list[int]

    def missed(self) -> int:
        """How many seats the cells are off together."""
        return sum(
            max(0, count - high, low - count) for count, low, high in zip(self.counts, self.low, self.high, strict=True)
        )

    def change(self, here: int, there: int, step: int) -> int:
        """How many seats more the table is off when a seat moves from cell `here` by `step` and another one from
        `there` by as much the other way."""
        if here + step == there:
            return 0
        change = 0
        for cell in (here, there):
            count = self.counts[cell]
            change += (count <= self.low[cell]) - (count > self.high[cell])
        for cell in (here + step, there - step):
            count = self.counts[cell]
            change += (count >= self.high[cell]) - (count < self.low[cell])
        return change

    def move(self, seat: int, step: int) -> None:
        """Moves one seat."""
        self.counts[self.cells[seat]] -= 1
        self.cells[seat] += step
        self.counts[self.cells[seat]] += 1


def improve(
    seats: Ints, likelihood: Sequence[Term], cross_tabs: Sequence[Table], generator: np.random.Generator
) -> bool:
    """Swaps labels between the rows of `seats` (one column per dimension of the audience), in place, in the dimensions
    of `cross_tabs`. True once every cell of them is within one seat; False leaves the fewest seats off met on the way.
    """
    rows: list[list[int]] = seats.tolist()
    counted = [_count(table, seats) for table in cross_tabs]
    movable = sorted({dimension for table in cross_tabs for dimension in table.dimensions})
    tables = {d: [table for table in counted if d in table.strides] for d in movable}
    terms = {d: [term for term in likelihood if d in term.dimensions] for d in movable}
    missed = least = sum(table.missed() for table in counted)
    best = seats.copy()
    lot = random.Random(int(generator.integers(2**62)))
    for move in range(MOVES):
        if not missed:
            break
        d = movable[int(lot.random() * len(movable))]
        one, other = int(lot.random() * len(rows)), int(lot.random() * len(rows))
        ours, theirs = rows[one], rows[other]
        if ours[d] == theirs[d]:
            continue
        # Likelihood and penalty are judged one after the other (Christen & Fox 2005, "Markov chain Monte Carlo using
        # an approximation"): the same distribution, and most moves end at the cheaper half.
        gain = -log_likelihood(terms[d], ours) - log_likelihood(terms[d], theirs)
        ours[d], theirs[d] = theirs[d], ours[d]
        gain += log_likelihood(terms[d], ours) + log_likelihood(terms[d], theirs)
        accepted = gain >= 0 or lot.random() < math.exp(gain)
        step = ours[d] - theirs[d]
        change = 0
        if accepted:
            for table in tables[d]:
                change += table.change(table.cells[one], table.cells[other], step * table.strides[d])
            penalty = FIRST_PENALTY * (LAST_PENALTY / FIRST_PENALTY) ** (move / MOVES)
            accepted = change <= 0 or lot.random() < math.exp(-penalty * change)
        if not accepted:
            ours[d], theirs[d] = theirs[d], ours[d]
            continue
        for table in tables[d]:
            table.move(one, step * table.strides[d])
            table.move(other, -step * table.strides[d])
        missed += change
        if missed < least:
            least, best = missed, np.array(rows, dtype=np.int64)
    seats[:] = best
    return least == 0


def _count(table: Table, seats: Ints) -> _Counted:
    targets = len(seats) * table.shares
    cells = np.ravel_multi_index(tuple(seats[:, list(table.dimensions)].T), table.shape)
    strides, step = {}, 1
    for dimension, length in zip(reversed(table.dimensions), reversed(table.shape), strict=True):
        strides[dimension] = step
        step *= length
    return _Counted(
        strides,
        cells.tolist(),
        np.bincount(cells, minlength=len(targets)).tolist(),
        rounded_down(targets).astype(int).tolist(),
        rounded_up(targets).astype(int).tolist(),
    )
