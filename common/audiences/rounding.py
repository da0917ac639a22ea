"""Whole seats from a fitted audience: every single dimension within one seat, always; every cross-tab cell whenever a
way is found.

Each tree of cliques is rounded by itself (what nothing ties together is independent) and the trees are then dealt to
the same seats. Within a tree, in turn and only as far as needed: a random walk (`walking`); seats drawn along the tree
from what the walk left fractional, put right one label at a time, then swapped (`metropolis`); an integer programme
(`landing`), which may also prove that there is no way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.audiences.balancing import System, balance
from common.audiences.landing import land, search
from common.audiences.likelihood import likelihood_terms
from common.audiences.mending import mend
from common.audiences.metropolis import improve
from common.audiences.models import Shortfall
from common.audiences.preparation import Audience
from common.audiences.seating import seat_clique
from common.audiences.structure import Clique, Dimensions, Floats, Ints, Table, cell_numbers, full_cells, joint_cells
from common.audiences.thinning import thin
from common.audiences.walking import walk

WALKS = 3
FEW = 12
"""Cells left fractional that another walk may well do without."""
LANDED = 1e-3
"""How close to whole numbers a walk ends, whatever errors fitting left it; what it rounds to is checked exactly."""
MAX_SEARCHED_CELLS = 500
"""The largest joint distribution, in cells, that an exhaustive search is tried on."""


@dataclass(frozen=True, slots=True)
class Seating:
    """`seats` (size x dimensions) are label numbers; `shortfalls` say, by the dimensions of a cross-tab, why not all
    of its cells are within one seat."""

    seats: Ints
    shortfalls: dict[Dimensions, Shortfall]


@dataclass(frozen=True, slots=True)
class Tree:
    """Cliques that are tied together, parents numbered among themselves, and the tables over them."""

    cliques: tuple[Clique, ...]
    margins: tuple[Table, ...]
    cross_tabs: tuple[Table, ...]

    @property
    def dimensions(self) -> Dimensions:
        """Every dimension of the tree, ascending."""
        return tuple(margin.dimensions[0] for margin in self.margins)


def seat(audience: Audience, size: int, generator: np.random.Generator) -> Seating:
    """Seats a panel of `size` (1 or more). All chance comes from the generator."""
    seats = np.zeros((size, len(audience.names)), dtype=np.int64)
    shortfalls: dict[Dimensions, Shortfall] = {}
    taken: Dimensions = ()
    for tree in _trees(audience):
        apart, shortfall = _seat_tree(tree, size, audience, generator)
        if shortfall is not None:
            shortfalls |= {table.dimensions: shortfall for table in tree.cross_tabs}
        rows = Clique(tree.dimensions, apart[:, list(tree.dimensions)], np.full(size, 1 / size), None, ())
        seat_clique(seats, taken, rows, np.ones(size), audience.sizes, generator)
        taken += tree.dimensions
    return Seating(seats[np.argsort(generator.random(size))], shortfalls)


def _trees(audience: Audience) -> list[Tree]:
    roots: list[int] = []
    for number, clique in enumerate(audience.cliques):
        roots.append(number if clique.parent is None else roots[clique.parent])
    trees = []
    for root in sorted(set(roots)):
        members = [number for number, other in enumerate(roots) if other == root]
        cliques = tuple(
            replace(clique, parent=None if clique.parent is None else members.index(clique.parent))
            for clique in (audience.cliques[number] for number in members)
        )
        covered = {dimension for clique in cliques for dimension in clique.dimensions}
        margins = tuple(table for table in audience.margins if table.dimensions[0] in covered)
        trees.append(Tree(cliques, margins, tuple(t for t in audience.cross_tabs if t.dimensions[0] in covered)))
    return trees


def _seat_tree(
    tree: Tree, size: int, audience: Audience, generator: np.random.Generator
) -> tuple[Ints, Shortfall | None]:
    """Seats one tree alone: a row per seat, columns of other trees left 0."""
    sizes = audience.sizes
    tables = (*tree.margins, *tree.cross_tabs)
    system = balance(thin(tree.cliques, tree.margins, tree.cross_tabs, sizes, generator), tables, size, sizes)
    values, whole = _walk(system, generator)
    if not whole and set(audience.surveyed) & set(tree.dimensions):
        # Combinations nobody has reported are worth a programme to avoid.
        landed = land(system, values, generator)
        values, whole = (values, False) if landed is None else (landed, True)
    seats = _seat_cliques(system, values, sizes, len(audience.names), generator)
    if whole:
        return seats, None
    likelihood = likelihood_terms(tree.cliques, sizes)
    mend(seats, tree.margins, likelihood, generator)
    if not tree.cross_tabs or improve(seats, likelihood, tree.cross_tabs, generator):
        return seats, None
    everything = _everything(tree, size, sizes)
    if everything is None:
        return seats, "not_found"
    found, impossible = search(everything, generator)
    if found is None:
        return seats, "impossible" if impossible else "not_found"
    return _seat_cliques(everything, found, sizes, len(audience.names), generator), None


def _walk(system: System, generator: np.random.Generator) -> tuple[Floats, bool]:
    """Where the walk ended and whether those are whole counts; another order of cells often ends better."""
    values = system.start
    for _ in range(WALKS):
        values = walk(system, np.argsort(generator.random(len(system.start))), generator)
        whole = np.round(values)
        stuck = int((np.abs(values - whole) > LANDED).sum())
        if not stuck and system.holds(whole):
            return whole, True
        if stuck > FEW:
            break
    return values, False


def _seat_cliques(
    system: System, values: Floats, sizes: Sequence[int], width: int, generator: np.random.Generator
) -> Ints:
    seats = np.zeros((round(float(system.blocks[0].lower[0])), width), dtype=np.int64)
    taken: Dimensions = ()
    for clique, counts in zip(system.cliques, system.split(values), strict=True):
        seat_clique(seats, taken, clique, counts, sizes, generator)
        taken = tuple(sorted({*taken, *clique.dimensions}))
    return seats


def _everything(tree: Tree, size: int, sizes: Sequence[int]) -> System | None:
    """The equations over every combination that no table rules out, seen or not, unless those are too many."""
    if sum(joint_cells(clique.dimensions, sizes) for clique in tree.cliques) > MAX_SEARCHED_CELLS:
        return None
    cliques = []
    tables = (*tree.margins, *tree.cross_tabs)
    for clique in tree.cliques:
        shares = np.zeros(joint_cells(clique.dimensions, sizes))
        shares[cell_numbers(clique, clique.dimensions, sizes)] = clique.shares
        full = replace(clique, cells=full_cells(clique.dimensions, sizes), shares=shares)
        allowed = np.ones(len(shares), dtype=bool)
        for table in tables:
            if set(table.dimensions) <= set(clique.dimensions):
                allowed &= table.shares[cell_numbers(full, table.dimensions, sizes)] > 0
        cliques.append(replace(full, cells=full.cells[allowed], shares=shares[allowed]))
    return balance(cliques, tables, size, sizes)
