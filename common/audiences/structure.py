"""The joint distribution of an audience, held as small tables instead of one that grows with every dimension.

Cross-tabs tie dimensions together; dimensions that no cross-tab ties are independent. Triangulating that graph
and taking its maximal cliques gives a junction forest (Lauritzen & Spiegelhalter 1988, "Local computations with
probabilities on graphical structures"): a joint table per clique, agreeing on what neighbours share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Dimensions = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Target shares over some dimensions, in ascending order. `shares` is flat, the last dimension fastest;
    `path` is the field the figures came from."""

    dimensions: Dimensions
    shape: tuple[int, ...]
    shares: Floats
    path: str


@dataclass(frozen=True, slots=True)
class Clique:
    """A joint table over `dimensions` (ascending), sparse: `cells` (M x d) are label numbers, `shares` (M,) sum
    to 1. `parent` is the clique it hangs on (None for the root of a tree) and `separator` what they share."""

    dimensions: Dimensions
    cells: Ints
    shares: Floats
    parent: int | None
    separator: Dimensions


def cell_numbers(clique: Clique, dimensions: Dimensions, sizes: Sequence[int]) -> Ints:
    """For every cell of the clique, the flat number of the cell of `dimensions` that it belongs to."""
    numbers = np.zeros(len(clique.cells), dtype=np.int64)
    for dimension in dimensions:
        numbers *= sizes[dimension]
        numbers += clique.cells[:, clique.dimensions.index(dimension)]
    return numbers


def summed(numbers: Ints, values: Floats, length: int) -> Floats:
    """The values added up by cell number, into `length` cells."""
    return np.asarray(np.bincount(numbers, weights=values, minlength=length), dtype=np.float64)


def maximal_cliques(count: int, ties: Iterable[Dimensions]) -> list[Dimensions]:
    """The maximal cliques of the graph on `count` dimensions where each of `ties` is complete, after
    eliminating the dimension that adds the fewest edges first (min-fill)."""
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for tie in ties:
        for one, other in combinations(tie, 2):
            neighbours[one].add(other)
            neighbours[other].add(one)

    def fill(dimension: int) -> int:
        return sum(other not in neighbours[one] for one, other in combinations(sorted(neighbours[dimension]), 2))

    cliques: list[set[int]] = []
    left = set(range(count))
    while left:
        chosen = min(left, key=lambda dimension: (fill(dimension), dimension))
        around = neighbours[chosen]
        clique = {chosen, *around}
        if not any(clique <= larger for larger in cliques):
            cliques.append(clique)
        for one, other in combinations(around, 2):
            neighbours[one].add(other)
            neighbours[other].add(one)
        for other in around:
            neighbours[other].discard(chosen)
        left.discard(chosen)
    return sorted(tuple(sorted(clique)) for clique in cliques)


def junction_forest(cliques: Sequence[Dimensions]) -> list[tuple[Dimensions, int | None, Dimensions]]:
    """The cliques in an order where a parent comes before its children, each with its parent's place in that
    order and its separator: a spanning forest of largest separators (Prim)."""
    order: list[tuple[Dimensions, int | None, Dimensions]] = []
    left = list(cliques)
    while left:
        best: tuple[int, int, int] | None = None
        for place, (placed, _, _) in enumerate(order):
            for number, clique in enumerate(left):
                shared = len(set(placed) & set(clique))
                if shared and (best is None or shared > best[0]):
                    best = (shared, number, place)
        if best is None:
            order.append((left.pop(0), None, ()))
        else:
            _, number, place = best
            clique = left.pop(number)
            order.append((clique, place, tuple(sorted(set(clique) & set(order[place][0])))))
    return order


def joint_cells(dimensions: Dimensions, sizes: Sequence[int]) -> int:
    """How many cells the full joint table of `dimensions` has."""
    return prod(sizes[dimension] for dimension in dimensions)


def full_cells(dimensions: Dimensions, sizes: Sequence[int]) -> Ints:
    """Every combination of labels of `dimensions`, the last one fastest: (M x d)."""
    shape = tuple(sizes[dimension] for dimension in dimensions)
    return np.indices(shape, dtype=np.int64).reshape(len(shape), -1).T.copy()
