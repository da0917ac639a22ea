"""Whole seats by an integer programme (HiGHS), for what the random walk and Metropolis moves leave open.

Rounding cross-tabs that close a circle or have three dimensions or more is NP-hard in general, and sometimes no panel
of the size has every cell within one seat (Cox & George 1989, "Controlled rounding for tables with subtotals").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from common.audiences.balancing import System
from common.audiences.structure import Floats

NODES = 50
"""Branch-and-bound nodes before a search is given up: a bound on work that, unlike a time limit, ends every machine
at the same place."""
OPENED = (1, 4)
"""How many cells may move, in multiples of those that the walk left fractional."""
STUCK = 1e-5
"""Closer to a whole number than this, the walk meant it."""
INFEASIBLE = 2
"""`scipy.optimize.milp` proved that there is no solution."""


def land(system: System, walked: Floats, generator: np.random.Generator) -> Floats | None:
    """Whole counts near to where the walk ended, or None when none were found.

    Cells that may move, first those left fractional, then more, go up with about the chance their fraction says.
    """
    whole = np.round(walked)
    stuck = np.abs(walked - whole) > STUCK
    others = np.flatnonzero((system.upper > system.lower) & ~stuck)
    others = others[np.argsort(generator.random(len(others)))]
    preference = generator.uniform(-1, 1, len(walked)) - (2 * (walked - system.lower) - 1)
    for multiple in OPENED:
        opened = stuck.copy()
        opened[others[: (multiple - 1) * int(stuck.sum())]] = True
        lower, upper = np.where(opened, system.lower, whole), np.where(opened, system.upper, whole)
        counts, _ = _solve(system, lower, upper, preference)
        if counts is not None:
            return counts
    return None


def search(system: System, generator: np.random.Generator) -> tuple[Floats | None, bool]:
    """Any whole counts that meet the system's required totals, likelier ones first; and when there are none,
    whether that is proven rather than given up."""
    size = system.blocks[0].lower[0]
    likelihood = np.log(np.maximum(system.start, 1e-9))
    return _solve(
        system,
        np.zeros(len(system.start)),
        np.full(len(system.start), size),
        -likelihood - generator.gumbel(size=len(system.start)),
    )


def _solve(system: System, lower: Floats, upper: Floats, costs: Floats) -> tuple[Floats | None, bool]:
    """The first whole counts within bounds that the solver finds for the system's required totals, led by costs."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    matrix, low, high = _constraints(system)
    result = milp(
        np.round(costs, 6),
        integrality=np.ones(len(costs)),
        bounds=Bounds(lower, upper),
        constraints=LinearConstraint(matrix, low, high),
        options={"node_limit": NODES, "mip_rel_gap": 1.0},
    )
    if result.x is None:
        return None, result.status == INFEASIBLE
    counts = np.round(result.x)
    return (counts if system.holds(counts) else None), False


def _constraints(system: System) -> tuple[Any, Floats, Floats]:
    """The totals as a sparse matrix over the cells, with the bounds of each row."""
    from scipy.sparse import csr_array, vstack

    ends = np.cumsum([0, *(len(clique.cells) for clique in system.cliques)])
    sums = []
    for block in system.blocks:
        cells = np.arange(ends[block.clique], ends[block.clique + 1])
        sums.append(csr_array((np.ones(len(cells)), (block.rows, cells)), shape=(len(block.lower), int(ends[-1]))))
    rows, lows, highs = [], [], []
    for block, total in zip(system.blocks, sums, strict=True):
        if block.twin is not None:
            rows.append(total - sums[block.twin])
            lows.append(np.zeros_like(block.lower))
            highs.append(np.zeros_like(block.upper))
        elif block.required:
            rows.append(total)
            lows.append(block.lower)
            highs.append(block.upper)
    return vstack(rows, format="csr"), np.concatenate(lows), np.concatenate(highs)
