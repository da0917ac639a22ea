"""From an audience as described to one that panels can be drawn from: checked, normalised and fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.audiences.checking import (
    SHARE_TOLERANCE,
    check_cross_tabs,
    check_dimensions,
    check_respondents,
    normalised,
)
from common.audiences.fitting import Contradiction, Fit, fit_joint
from common.audiences.models import AudienceSpec, Dimension
from common.audiences.parsing import ROOT, Problems
from common.audiences.respondents import Seed, dimensions_of, joint_seed
from common.audiences.structure import (
    Clique,
    Dimensions,
    Table,
    cell_numbers,
    full_cells,
    joint_cells,
    junction_forest,
    maximal_cliques,
    summed,
)

MAX_JOINT_CELLS = 500_000
"""Cells of the largest joint table that cross-tabs may tie together."""
UNADJUSTED = 1e-9
"""A cross-tab met within this share was not adjusted."""


@dataclass(frozen=True, slots=True)
class Audience:
    """An audience ready to draw from. Dimensions and labels are numbers into `names` and `labels`;
    `margins` has one table per dimension, `cross_tabs` what the given ones were reconciled to (`adjusted`
    tells which moved), `cliques` the fitted joint distribution, a forest with parents before children, and
    `surveyed` the dimensions whose combinations come from respondents."""

    name: str
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    margins: tuple[Table, ...]
    cross_tabs: tuple[Table, ...]
    adjusted: tuple[bool, ...]
    cliques: tuple[Clique, ...]
    surveyed: Dimensions
    notes: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many labels each dimension has."""
        return tuple(len(labels) for labels in self.labels)


def prepare(spec: AudienceSpec, *, root: str = ROOT) -> Audience:
    """Checks what the form cannot tell, normalises shares and fits the joint distribution.

    Raises `InvalidInput` with every field that is wrong, named below `root`: shares that are negative or do
    not sum to 1 within 0.5 %, duplicates, empty labels, unknown dimensions and labels, too many of anything,
    cross-tabs that contradict the dimensions or each other.
    """
    problems = Problems()
    check_dimensions(spec, root, problems)
    check_respondents(spec, root, problems)
    problems.raise_any()

    dimensions = spec.dimensions
    if spec.respondents is not None and not dimensions:
        dimensions = dimensions_of(spec.respondents)
    names = tuple(dimension.name for dimension in dimensions)
    labels = tuple(tuple(entry.label for entry in dimension.shares) for dimension in dimensions)
    margins = tuple(
        _margin(dimension, number, f"{root}.dimensions[{number}].shares" if spec.dimensions else f"{root}.respondents")
        for number, dimension in enumerate(dimensions)
    )
    cross_tabs = check_cross_tabs(spec, names, labels, margins, root, problems)
    problems.raise_any()

    seed = None
    if spec.respondents is not None:
        seed = joint_seed(spec.respondents, names, labels)
        _check_seed(seed, margins, labels, f"{root}.respondents.rows", problems)
    sizes = tuple(len(each) for each in labels)
    cliques = _cliques(sizes, cross_tabs, seed, names, root, problems)
    problems.raise_any()
    fit = _fit(cliques, margins, cross_tabs, sizes, problems)
    adjusted = tuple(residual > UNADJUSTED for residual in fit.residuals)
    return Audience(
        name=spec.name,
        names=names,
        labels=labels,
        margins=margins,
        cross_tabs=tuple(
            _reconciled(table, fit.cliques, sizes) if moved else table
            for table, moved in zip(cross_tabs, adjusted, strict=True)
        ),
        adjusted=adjusted,
        cliques=fit.cliques,
        surveyed=seed.dimensions if seed else (),
        notes=_notes(cross_tabs, adjusted, seed),
    )


def check(spec: AudienceSpec, *, root: str = ROOT) -> None:
    """Raises `InvalidInput` as `prepare` does, for callers that only want to know."""
    prepare(spec, root=root)


def _margin(dimension: Dimension, number: int, path: str) -> Table:
    shares = np.array([entry.share for entry in dimension.shares])
    return Table((number,), shares.shape, normalised(shares), path)


def _check_seed(
    seed: Seed, margins: Sequence[Table], labels: Sequence[Sequence[str]], path: str, problems: Problems
) -> None:
    for column, dimension in enumerate(seed.dimensions):
        seen = set(seed.cells[:, column].tolist())
        for number, share in enumerate(margins[dimension].shares):
            if share > 0 and number not in seen:
                problems.add(
                    path, f'no complete row has "{labels[dimension][number]}", which has a share of {share:.4g}'
                )


def _cliques(
    sizes: Sequence[int],
    cross_tabs: Sequence[Table],
    seed: Seed | None,
    names: Sequence[str],
    root: str,
    problems: Problems,
) -> list[Clique]:
    """The cliques before fitting: uniform, but for the one that holds what respondents say."""
    ties = [table.dimensions for table in cross_tabs] + ([seed.dimensions] if seed else [])
    cliques = []
    for dimensions, parent, separator in junction_forest(maximal_cliques(len(sizes), ties)):
        seeded = seed is not None and set(seed.dimensions) <= set(dimensions)
        rest = tuple(dimension for dimension in dimensions if not (seeded and seed and dimension in seed.dimensions))
        count = joint_cells(rest, sizes) * (len(seed.cells) if seeded and seed else 1)
        if count > MAX_JOINT_CELLS:
            tied = " x ".join(names[dimension] for dimension in dimensions)
            limit = f"{count:,} cells; at most {MAX_JOINT_CELLS:,}"
            problems.add(f"{root}.cross_tabs", f"tie {tied} into one joint table of {limit}")
            continue
        cells = full_cells(rest, sizes) if rest else np.zeros((1, 0), dtype=np.int64)
        shares = np.full(len(cells), 1 / len(cells))
        if seeded and seed:
            columns = [(*seed.dimensions, *rest).index(dimension) for dimension in dimensions]
            crossed = np.hstack([np.repeat(seed.cells, len(cells), axis=0), np.tile(cells, (len(seed.cells), 1))])
            cells, shares = crossed[:, columns], np.outer(seed.shares, shares).ravel()
        cliques.append(Clique(dimensions, cells, shares, parent, separator))
    return cliques


def _fit(
    cliques: Sequence[Clique],
    margins: Sequence[Table],
    cross_tabs: Sequence[Table],
    sizes: Sequence[int],
    problems: Problems,
) -> Fit:
    try:
        return fit_joint(cliques, margins, cross_tabs, sizes, tolerance=SHARE_TOLERANCE)
    except Contradiction as error:
        problems.add(
            error.path,
            "cannot hold together with the other shares: fitting all of them "
            f"still misses by {100 * error.residual:.2g} percentage points after {error.sweeps} sweeps",
        )
        problems.raise_any()
        raise


def _reconciled(table: Table, cliques: Sequence[Clique], sizes: Sequence[int]) -> Table:
    home = next(clique for clique in cliques if set(table.dimensions) <= set(clique.dimensions))
    numbers = cell_numbers(home, table.dimensions, sizes)
    return replace(table, shares=summed(numbers, home.shares, len(table.shares)))


def _notes(cross_tabs: Sequence[Table], adjusted: Sequence[bool], seed: Seed | None) -> tuple[str, ...]:
    notes = [
        f"{table.path} disagreed with other shares by up to 0.5 % and were adjusted to them"
        for table, moved in zip(cross_tabs, adjusted, strict=True)
        if moved
    ]
    if seed is not None and seed.incomplete:
        notes.append(f"{seed.incomplete} respondents have unknown labels: their gaps were filled as complete rows are")
    return tuple(notes)
