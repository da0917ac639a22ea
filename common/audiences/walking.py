"""The random walk from fractional to whole seats.

It is the flight of the cube method (Deville & Tille 2004, "Efficient balanced sampling: the cube method"), with one
change: each balancing total is a variable of its own that may move between its floor and its ceiling. The walk then
ends at a vertex where all totals are within one seat, and where rounding is a network problem (one dimension, two-way
tables, chains of them) that vertex is whole, as in Cox 1987, "A constructive procedure for unbiased controlled
rounding". Every step keeps expectations, so that each cell's expected count is its fractional one.
"""

from __future__ import annotations

import numpy as np

from common.audiences.balancing import OWN_BOUNDS, System
from common.audiences.structure import Floats, Ints, summed

MOVING = 1e-9
"""A change smaller than this per unit step is rounding error, and so is a difference between two steps."""

SPARSE = 0.1
"""Up to this part of the inverse, changing the entries that do change beats changing whole rows."""


def walk(system: System, order: Ints, generator: np.random.Generator) -> Floats:
    """Moves cells, in the given order of their numbers, until nothing can move any more.

    Returns values within the cells' bounds that meet every total's; all but at most one per equation are whole.
    What is in motion is kept as a simplex basis: one variable per equation, changing with the cell that enters.
    """
    count = len(system.start)
    value, lower, upper, inverse = _begin(system)
    basis = np.arange(count, len(value))
    columns = system.columns()
    luck = generator.random(count)
    for cell in order:
        if _room(cell, value, lower, upper) < MOVING:
            continue
        change = -inverse[columns[cell]].sum(axis=0)
        moving = np.flatnonzero(np.abs(change) > MOVING)
        others, rates = basis[moving], change[moving]
        above = np.maximum(upper[others] - value[others], 0.0)
        below = np.maximum(value[others] - lower[others], 0.0)
        rising, speed = rates > 0, np.abs(rates)
        room_up = np.where(rising, above, below) / speed
        room_down = np.where(rising, below, above) / speed
        up = min(upper[cell] - value[cell], room_up.min(initial=np.inf))
        down = min(value[cell] - lower[cell], room_down.min(initial=np.inf))
        upwards = luck[cell] * (up + down) < down
        step, room = (up, room_up) if upwards else (-down, room_down)
        value[cell] += step
        value[others] += step * rates
        if _room(cell, value, lower, upper) < MOVING:
            continue
        stopped = np.flatnonzero(room < abs(step) + MOVING)
        # Ties are structural and frequent; breaking them by number, not by the last bit, makes every machine agree.
        chosen = stopped[np.lexsort((others[stopped], -np.round(speed[stopped], 6)))[0]]
        basis[moving[chosen]] = cell
        _pivot(inverse, moving, -rates, chosen)
    return value[:count]


def _begin(system: System) -> tuple[Floats, Floats, Floats, Floats]:
    """Values and bounds of all variables, the cells first, then one per equation (its total, or for a twin the
    difference to its total, which stays 0), and the transposed inverse of the latter's columns."""
    parts = system.split(system.start)
    values, lows, highs = [system.start], [system.lower], [system.upper]
    inverse = np.diag(np.full(system.equations, -1.0))
    for block in system.blocks:
        if block.first == OWN_BOUNDS:
            continue
        span = np.arange(block.first, block.first + len(block.lower))
        if block.twin is None:
            total = summed(block.rows, parts[block.clique], len(block.lower))
            values.append(np.clip(total, block.lower, block.upper))
            lows.append(block.lower)
            highs.append(block.upper)
        else:
            original = system.blocks[block.twin].first + span - block.first
            inverse[span, span] = 1.0
            inverse[original, span] = -1.0
            for bounds in (values, lows, highs):
                bounds.append(np.zeros(len(span)))
    return np.concatenate(values), np.concatenate(lows), np.concatenate(highs), inverse


def _room(variable: int, value: Floats, lower: Floats, upper: Floats) -> float:
    """How far a variable is from the nearer of its bounds."""
    return float(min(value[variable] - lower[variable], upper[variable] - value[variable]))


def _pivot(inverse: Floats, moving: Ints, weights: Floats, chosen: int) -> None:
    """Updates the transposed inverse when the basis variable at `moving[chosen]` gives way to the cell whose column
    has `weights` (at `moving`, elsewhere 0) in terms of the basis."""
    leaving = moving[chosen]
    rows = np.flatnonzero(inverse[:, leaving])
    new = inverse[rows, leaving] / weights[chosen]
    if len(rows) * len(moving) < SPARSE * inverse.size:
        inverse[rows[:, np.newaxis], moving] -= new[:, np.newaxis] * weights
    else:
        spread = np.zeros(len(inverse))
        spread[moving] = weights
        for row, factor in zip(rows, new, strict=True):
            inverse[row] -= factor * spread
    inverse[rows, leaving] = new
