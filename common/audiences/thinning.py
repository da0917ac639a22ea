"""A large joint distribution cut down to the cells that a panel can use, so that rounding it takes no longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from common.audiences.fitting import Contradiction, fit_joint
from common.audiences.structure import Clique, Table, cell_numbers

MAX_CELLS = 4_000
"""Cells of a clique that are rounded as they are."""
KEPT_CELLS = 2_000
"""About how many are kept of a larger one."""
EXACT = 1e-9
TRIES = 3


def thin(
    cliques: Sequence[Clique],
    margins: Sequence[Table],
    cross_tabs: Sequence[Table],
    sizes: Sequence[int],
    generator: np.random.Generator,
) -> tuple[Clique, ...]:
    """The cliques of one tree with at most a few thousand cells each, fitted to the same tables again.

    Cells are kept by systematic sampling in proportion to their share (Madow 1949), so that what is left stands for
    all of it; every label and cross-tab cell keeps one at least. Where too few are left to fit, twice as many are.
    """
    for doubled in range(TRIES):
        if all(len(clique.cells) <= MAX_CELLS for clique in cliques):
            break
        limit = KEPT_CELLS * 2**doubled
        kept = [
            _sample(clique, (*margins, *cross_tabs), limit, sizes, generator)
            if len(clique.cells) > max(limit, MAX_CELLS)
            else clique
            for clique in cliques
        ]
        try:
            return fit_joint(kept, margins, cross_tabs, sizes, tolerance=EXACT).cliques
        except Contradiction:
            continue
    return tuple(cliques)


def _sample(
    clique: Clique, tables: Sequence[Table], limit: int, sizes: Sequence[int], generator: np.random.Generator
) -> Clique:
    certain = clique.shares * limit >= 1
    rest = np.where(certain, 0.0, clique.shares)
    points = limit - int(certain.sum())
    ends = np.cumsum(rest) * (points / rest.sum()) + generator.random()
    drawn = np.diff(np.floor(ends), prepend=0.0)
    weights = np.where(certain, clique.shares, drawn * rest.sum() / points)
    ascending = np.argsort(clique.shares, kind="stable")
    for table in tables:
        if set(table.dimensions) <= set(clique.dimensions):
            numbers = cell_numbers(clique, table.dimensions, sizes)
            likeliest = np.full(len(table.shares), -1)
            likeliest[numbers[ascending]] = ascending  # of cells with the same number the last one stays
            likeliest = likeliest[likeliest >= 0]
            weights[likeliest] = np.maximum(weights[likeliest], clique.shares[likeliest])
    kept = weights > 0
    return replace(clique, cells=clique.cells[kept], shares=weights[kept] / weights[kept].sum())
