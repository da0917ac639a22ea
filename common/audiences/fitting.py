"""Iterative proportional fitting: the joint distribution closest to a seed that has the given shares.

Deming & Stephan 1940, "On a least squares adjustment of a sampled frequency table when the expected marginal
totals are known"; on a junction forest after Jirousek & Preucil 1995, "On the effective implementation of the
iterative proportional fitting procedure". Without a respondent table the seed is uniform, so that what no
cross-tab ties comes out independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.audiences.structure import Clique, Floats, Ints, Table, cell_numbers, joint_cells, summed

EXACT = 1e-12
"""Residual share at which fitting has converged: a billionth of a seat among a thousand."""
SUFFICIENT = 1e-6
"""Residual that is no contradiction but slow convergence, where shares are tiny: a thousandth of a seat among a
thousand, which rounding puts right."""
MAX_SWEEPS = 2000
MAX_UPDATES = 1_500_000_000
"""Cells touched before fitting ends where it is: some ten seconds. What it misses by then is reported or refused."""
STRIDE = 25
"""Progress is judged every so many sweeps."""
STALLED = 0.9
"""Residuals that keep more than this over a stride shrink too slowly to wait for."""
VANISHING = 0.75
"""A cell that must become 0 shrinks like 1/sweeps, so that it halves when sweeps double; others settle."""


class Contradiction(Exception):
    """No joint distribution has all these shares. `path` is the table that fits worst, `residual` (a share)
    by how much, after `sweeps`."""

    def __init__(self, path: str, residual: float, sweeps: int) -> None:
        super().__init__(f"{path}: off by {residual:.3g} after {sweeps} sweeps")
        self.path = path
        self.residual = residual
        self.sweeps = sweeps


@dataclass(frozen=True, slots=True)
class Fit:
    """The fitted cliques, and for every cross-tab the largest difference (a share) to what was asked."""

    cliques: tuple[Clique, ...]
    residuals: tuple[float, ...]
    sweeps: int


def fit_joint(
    cliques: Sequence[Clique],
    margins: Sequence[Table],
    cross_tabs: Sequence[Table],
    sizes: Sequence[int],
    *,
    tolerance: float,
) -> Fit:
    """Fits the cliques' shares to the margins, exactly, and to the cross-tabs, exactly where they agree.

    Cross-tabs that disagree with the margins or each other by no more than `tolerance` (as published, rounded
    figures do) are reconciled; the margins win. Raises `Contradiction` beyond it.
    """
    joint = _Joint(cliques, sizes)
    sweeps = _sweep(joint, [*cross_tabs, *margins])
    worst = max(((joint.residual(table), table.path) for table in cross_tabs), default=(0.0, ""))
    if worst[0] > tolerance:
        raise Contradiction(worst[1], worst[0], sweeps)
    sweeps += _sweep(joint, margins)
    residual, path = max((joint.residual(table), table.path) for table in margins)
    if residual > SUFFICIENT:
        raise Contradiction(worst[1] or path, residual, sweeps)
    residuals = tuple(joint.residual(table) for table in cross_tabs)
    if residuals and max(residuals) > tolerance:
        at = int(np.argmax(residuals))
        raise Contradiction(cross_tabs[at].path, residuals[at], sweeps)
    return Fit(joint.result(), residuals, sweeps)


class _Joint:
    """The cliques' shares while they change. After every `scale` neighbours are told, so that they agree."""

    def __init__(self, cliques: Sequence[Clique], sizes: Sequence[int]) -> None:
        self.cliques = cliques
        self.sizes = sizes
        self.shares: list[Floats] = [clique.shares.copy() for clique in cliques]
        self._numbers: dict[tuple[int, tuple[int, ...]], Ints] = {}
        self._edges: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in cliques]
        for place, clique in enumerate(cliques):
            if clique.parent is not None:
                self._edges[place].append((clique.parent, clique.separator))
                self._edges[clique.parent].append((place, clique.separator))
        for place, clique in enumerate(cliques):
            if clique.parent is None:
                self.spread(place)

    def home(self, table: Table) -> int:
        """The first clique that covers the table."""
        wanted = set(table.dimensions)
        return next(place for place, clique in enumerate(self.cliques) if wanted <= set(clique.dimensions))

    def margin(self, place: int, dimensions: tuple[int, ...]) -> Floats:
        """The clique's shares summed over everything but `dimensions`, flat."""
        length = joint_cells(dimensions, self.sizes)
        return summed(self.numbers(place, dimensions), self.shares[place], length)

    def numbers(self, place: int, dimensions: tuple[int, ...]) -> Ints:
        key = (place, dimensions)
        if key not in self._numbers:
            self._numbers[key] = cell_numbers(self.cliques[place], dimensions, self.sizes)
        return self._numbers[key]

    def scale(self, place: int, dimensions: tuple[int, ...], target: Floats) -> None:
        """Multiplies the clique's shares so that its margin over `dimensions` becomes `target`."""
        current = self.margin(place, dimensions)
        factor = np.divide(target, current, out=np.zeros_like(target), where=current > 0)
        self.shares[place] *= factor[self.numbers(place, dimensions)]

    def spread(self, start: int) -> None:
        """Carries what `start` says to every clique of its tree."""
        waiting = [(start, -1)]
        while waiting:
            place, origin = waiting.pop()
            for other, separator in self._edges[place]:
                if other != origin:
                    self.scale(other, separator, self.margin(place, separator))
                    waiting.append((other, place))

    def residual(self, table: Table) -> float:
        """The largest difference between the table and the joint's margin."""
        return float(np.abs(self.margin(self.home(table), table.dimensions) - table.shares).max())

    def drop_vanishing(self, earlier: Sequence[Floats]) -> bool:
        """Empties the cells that shrink towards 0 without ever getting there; tells whether there were any."""
        dropped = False
        for now, then in zip(self.shares, earlier, strict=True):
            vanishing = (now > 0) & (now < VANISHING * then)
            now[vanishing] = 0.0
            dropped = dropped or bool(vanishing.any())
        return dropped

    def result(self) -> tuple[Clique, ...]:
        """The cliques with their new shares, without the cells that became empty."""
        fitted = []
        for clique, shares in zip(self.cliques, self.shares, strict=True):
            kept = shares > 0
            fitted.append(replace(clique, cells=clique.cells[kept], shares=shares[kept] / shares.sum()))
        return tuple(fitted)


def _sweep(joint: _Joint, tables: Sequence[Table]) -> int:
    """Scales to every table in turn until all fit or progress ends; returns how many sweeps that took."""
    homes: dict[int, list[Table]] = {}
    for table in tables:
        homes.setdefault(joint.home(table), []).append(table)
    updates = sum(len(joint.shares[place]) * len(members) for place, members in homes.items())
    limit = max(2 * STRIDE, min(MAX_SWEEPS, MAX_UPDATES // updates))
    older = newer = [shares.copy() for shares in joint.shares]
    next_snapshot = STRIDE
    before = np.inf
    for sweep in range(1, limit + 1):
        for place, members in sorted(homes.items()):
            for table in members:
                joint.scale(place, table.dimensions, table.shares)
            joint.spread(place)
        judged = sweep % STRIDE == 0
        if not judged and sweep & (sweep - 1):
            continue
        residual = max(joint.residual(table) for table in tables)
        if residual <= EXACT:
            return sweep
        if not judged:
            continue
        if sweep >= 4 * STRIDE and residual > STALLED * before:
            if not joint.drop_vanishing(older):
                return sweep
            older = newer = [shares.copy() for shares in joint.shares]
            next_snapshot = 2 * sweep
        elif sweep >= next_snapshot:
            older, newer = newer, [shares.copy() for shares in joint.shares]
            next_snapshot = 2 * sweep
        before = residual
    return limit
