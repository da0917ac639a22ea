"""What a panel of a given size has to add up to, written as equations over the seats of every joint cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.audiences.structure import Clique, Dimensions, Floats, Ints, Table, cell_numbers, joint_cells, summed

WHOLE = 1e-7
"""A count this close to a whole number is one: what fitting leaves is a hundred times smaller."""
OWN_BOUNDS = -1


@dataclass(frozen=True, slots=True)
class Block:
    """The cells of one clique add up, by `rows` (cell -> total), to totals within `lower` and `upper`.

    Its equations count on from `first`, or there are none (`OWN_BOUNDS`) because every cell is a total by itself.
    A `twin` is the number of the earlier block whose totals these must equal. `dimensions` are those of the table,
    none for the size of the panel. Bounds that are not `required` keep the joint distribution close but may give way.
    """

    clique: int
    dimensions: Dimensions
    rows: Ints
    lower: Floats
    upper: Floats
    first: int
    twin: int | None
    required: bool


@dataclass(frozen=True, slots=True)
class System:
    """The seats to find for one tree of cliques, for the cells of all cliques in turn: from the fractional `start`
    to whole numbers within `lower` and `upper` (both end included) that meet all `blocks`."""

    cliques: tuple[Clique, ...]
    start: Floats
    lower: Floats
    upper: Floats
    blocks: tuple[Block, ...]

    @property
    def equations(self) -> int:
        """How many equations the blocks have together."""
        return sum(len(block.lower) for block in self.blocks if block.first != OWN_BOUNDS)

    def columns(self) -> list[Ints]:
        """For every cell, the equations it takes part in."""
        columns: list[Ints] = []
        for number, clique in enumerate(self.cliques):
            mine = [b.first + b.rows for b in self.blocks if b.clique == number and b.first != OWN_BOUNDS]
            columns.extend(np.stack(mine, axis=1) if mine else np.zeros((len(clique.cells), 0), dtype=np.int64))
        return columns

    def split(self, values: Floats) -> list[Floats]:
        """Values of all cells, clique by clique."""
        ends = np.cumsum([len(clique.cells) for clique in self.cliques])
        return np.split(values, ends[:-1])

    def holds(self, counts: Floats) -> bool:
        """Whether whole `counts` meet every required bound and cliques agree on what they share."""
        parts = self.split(counts)
        totals = [summed(block.rows, parts[block.clique], len(block.lower)) for block in self.blocks]
        return not (counts < 0).any() and all(
            bool((total == totals[block.twin]).all())
            if block.twin is not None
            else not block.required or bool(((total >= block.lower) & (total <= block.upper)).all())
            for block, total in zip(self.blocks, totals, strict=True)
        )


def rounded_down(seats: Floats) -> Floats:
    """The floor of fractional seats, a hair below a whole number counting as that number."""
    return np.floor(seats + WHOLE)


def rounded_up(seats: Floats) -> Floats:
    """The ceiling of fractional seats, a hair above a whole number counting as that number."""
    return np.ceil(seats - WHOLE)


def balance(cliques: Sequence[Clique], tables: Sequence[Table], size: int, sizes: Sequence[int]) -> System:
    """The equations of one tree of `cliques` (parents numbered within it): every cell of `tables` and of every
    separator rounds up or down, neighbours agree on their separator, and there are `size` seats."""
    start = np.concatenate([clique.shares for clique in cliques]) * size
    lower, upper = rounded_down(start), rounded_up(start)
    offsets = np.cumsum([0, *(len(clique.cells) for clique in cliques)])
    blocks = [_size_block(cliques[0], size)]
    first = 1
    required = {table.dimensions for table in tables}
    for dimensions, targets in _targets(cliques, tables, size, sizes).items():
        homes = _homes(cliques, dimensions)
        numbers = [cell_numbers(cliques[clique], dimensions, sizes) for clique in homes]
        present = np.unique(np.concatenate(numbers))
        low, high = rounded_down(targets[present]), rounded_up(targets[present])
        original = len(blocks)
        for clique, number in zip(homes, numbers, strict=True):
            rows = np.searchsorted(present, number)
            own = cliques[clique].dimensions == dimensions
            twin = original if len(blocks) > original else None
            blocks.append(
                Block(clique, dimensions, rows, low, high, OWN_BOUNDS if own else first, twin, dimensions in required)
            )
            if own:
                span = slice(offsets[clique], offsets[clique + 1])
                lower[span], upper[span] = low[rows], high[rows]
            else:
                first += len(present)
    return System(tuple(cliques), np.clip(start, lower, upper), lower, upper, tuple(blocks))


def _size_block(root: Clique, size: int) -> Block:
    total = np.array([float(size)])
    return Block(0, (), np.zeros(len(root.cells), dtype=np.int64), total, total, 0, None, True)


def _targets(
    cliques: Sequence[Clique], tables: Sequence[Table], size: int, sizes: Sequence[int]
) -> dict[Dimensions, Floats]:
    """Fractional seats of every table and separator, by its dimensions."""
    targets = {
        clique.separator: size
        * summed(cell_numbers(clique, clique.separator, sizes), clique.shares, joint_cells(clique.separator, sizes))
        for clique in cliques
        if clique.parent is not None
    }
    return targets | {table.dimensions: size * table.shares for table in tables}


def _homes(cliques: Sequence[Clique], dimensions: Dimensions) -> list[int]:
    """The cliques that must each add up to a table: one that covers it, and both sides of a separator."""
    sides: set[int] = set()
    for number, clique in enumerate(cliques):
        if clique.parent is not None and clique.separator == dimensions:
            sides |= {number, clique.parent}
    if sides:
        return sorted(sides)
    return [next(number for number, clique in enumerate(cliques) if set(dimensions) <= set(clique.dimensions))]
