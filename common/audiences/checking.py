"""What an audience's form cannot tell: whether its figures make sense, alone and together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.audiences.models import (
    MAX_DIMENSIONS,
    MAX_LABELS,
    MIN_LABELS,
    AudienceSpec,
    CrossTab,
    Dimension,
    Respondents,
)
from common.audiences.parsing import Problems
from common.audiences.respondents import label_counts
from common.audiences.structure import Dimensions, Floats, Table

SHARE_TOLERANCE = 0.005
"""How far published, rounded shares may be from adding up, or from each other."""
MAX_CROSS_TAB_TABLE = 500_000
"""Cells of the full table of one cross-tab, listed or not."""
MIN_WEIGHT, MAX_WEIGHT = 1e-30, 1e30
"""Beyond these, sums and quotients of weights leave the numbers a float can hold."""


def check_dimensions(spec: AudienceSpec, root: str, problems: Problems) -> None:
    """Notes what is wrong with the dimensions: their number, names, labels and shares."""
    path = f"{root}.dimensions"
    if not spec.dimensions and spec.respondents is None:
        problems.add(path, "describe at least one dimension, or give respondents")
    if len(spec.dimensions) > MAX_DIMENSIONS:
        problems.add(path, f"{len(spec.dimensions)} dimensions; at most {MAX_DIMENSIONS}")
    for number in _repeated([dimension.name for dimension in spec.dimensions]):
        problems.add(f"{path}[{number}].name", f'"{spec.dimensions[number].name}" is there twice')
    for number, dimension in enumerate(spec.dimensions):
        _check_dimension(dimension, f"{path}[{number}]", problems)


def _check_dimension(dimension: Dimension, path: str, problems: Problems) -> None:
    if not dimension.name.strip():
        problems.add(f"{path}.name", "is empty")
    if not MIN_LABELS <= len(dimension.shares) <= MAX_LABELS:
        problems.add(f"{path}.shares", f"{len(dimension.shares)} labels; from {MIN_LABELS} to {MAX_LABELS}")
    for number in _repeated([entry.label for entry in dimension.shares]):
        problems.add(f"{path}.shares[{number}].label", f'"{dimension.shares[number].label}" is there twice')
    for number, entry in enumerate(dimension.shares):
        if not entry.label.strip():
            problems.add(f"{path}.shares[{number}].label", "is empty")
    _check_shares([entry.share for entry in dimension.shares], path, problems)


def _check_shares(shares: Sequence[float], path: str, problems: Problems) -> None:
    for number, share in enumerate(shares):
        if share < 0:
            problems.add(f"{path}.shares[{number}].share", f"is {share:g}; a share is never negative")
    total = sum(shares)
    if abs(total - 1) > SHARE_TOLERANCE:
        hint = "; these look like percentages, divide by 100" if abs(total - 100) < 1 else ""
        problems.add(f"{path}.shares", f"sum to {total:.4g}; shares must sum to 1 (within 0.5 %){hint}")


def check_respondents(spec: AudienceSpec, root: str, problems: Problems) -> None:
    """Notes what is wrong with the respondent table, by itself and against the dimensions given beside it."""
    table, path = spec.respondents, f"{root}.respondents"
    if table is None:
        return
    if not table.rows or not table.dimensions:
        problems.add(f"{path}.rows", "there is nobody in the table")
        return
    for number in _repeated(table.dimensions):
        problems.add(f"{path}.dimensions[{number}]", f'"{table.dimensions[number]}" is there twice')
    for number, name in enumerate(table.dimensions):
        if not name.strip():
            problems.add(f"{path}.dimensions[{number}]", "is empty")
    uneven = [number for number, row in enumerate(table.rows) if len(row) != len(table.dimensions)]
    for number in uneven:
        problems.add(f"{path}.rows[{number}]", f"has {len(table.rows[number])} labels, not {len(table.dimensions)}")
    weights = table.weights
    if weights is not None and len(weights) != len(table.rows):
        problems.add(f"{path}.weights", f"{len(weights)} weights for {len(table.rows)} rows")
        uneven.append(-1)
    for number, weight in enumerate(weights or ()):
        if weight <= 0:
            problems.add(f"{path}.weights[{number}]", f"is {weight:g}; a weight is above 0")
        elif not MIN_WEIGHT <= weight <= MAX_WEIGHT:
            limits = f"from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}"
            problems.add(f"{path}.weights[{number}]", f"is {weight:g}; a weight is {limits}")
    if uneven:
        return
    if spec.dimensions:
        _check_respondent_labels(table, spec.dimensions, path, problems)
    else:
        for number, counts in enumerate(label_counts(table)):
            if not MIN_LABELS <= len(counts) <= MAX_LABELS:
                problems.add(
                    f"{path}.dimensions[{number}]",
                    f'"{table.dimensions[number]}" has {len(counts)} labels; from {MIN_LABELS} to {MAX_LABELS}',
                )
            if any(not label.strip() for label in counts):
                problems.add(f"{path}.dimensions[{number}]", "has an empty label; leave out what is not known")


def _check_respondent_labels(
    table: Respondents, dimensions: Sequence[Dimension], path: str, problems: Problems
) -> None:
    known = {dimension.name: {entry.label for entry in dimension.shares} for dimension in dimensions}
    for column, name in enumerate(table.dimensions):
        if name not in known:
            problems.add(f"{path}.dimensions[{column}]", f'"{name}" is not among the dimensions')
            continue
        strange: dict[str, int] = {}
        for number, row in enumerate(table.rows):
            label = row[column]
            if label is not None and label not in known[name]:
                strange.setdefault(label, number)
        for label, number in strange.items():
            problems.add(f"{path}.rows[{number}][{column}]", f'"{label}" is not a label of {name}')


def check_cross_tabs(
    spec: AudienceSpec,
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
    margins: Sequence[Table],
    root: str,
    problems: Problems,
) -> tuple[Table, ...]:
    """Notes what is wrong with the cross-tabs and returns those that could be read, normalised."""
    tables: list[Table] = []
    for number, cross_tab in enumerate(spec.cross_tabs):
        path = f"{root}.cross_tabs[{number}]"
        table = _read_cross_tab(cross_tab, names, labels, path, problems)
        if table is None:
            continue
        for margin in (margins[dimension] for dimension in table.dimensions):
            _compare(table, margin, names, labels, problems)
        for earlier in tables:
            if len(set(earlier.dimensions) & set(table.dimensions)) > 1:
                _compare(table, earlier, names, labels, problems)
        tables.append(table)
    return tuple(tables)


def _read_cross_tab(
    cross_tab: CrossTab, names: Sequence[str], labels: Sequence[Sequence[str]], path: str, problems: Problems
) -> Table | None:
    """The cross-tab as a table over ascending dimensions, or None when it cannot be read."""
    before = len(problems.found)
    if len(cross_tab.dimensions) < 2:
        problems.add(f"{path}.dimensions", "a cross-tab has at least two dimensions")
    for number in _repeated(cross_tab.dimensions):
        problems.add(f"{path}.dimensions[{number}]", f'"{cross_tab.dimensions[number]}" is there twice')
    for number, name in enumerate(cross_tab.dimensions):
        if name not in names:
            problems.add(f"{path}.dimensions[{number}]", f'"{name}" is not among the dimensions')
    if len(problems.found) > before:
        return None
    dimensions = tuple(sorted(names.index(name) for name in cross_tab.dimensions))
    shape = tuple(len(labels[dimension]) for dimension in dimensions)
    size = int(np.prod(shape, dtype=object))
    if size > MAX_CROSS_TAB_TABLE:
        problems.add(f"{path}.dimensions", f"cross to {size:,} cells; at most {MAX_CROSS_TAB_TABLE:,}")
        return None
    _check_shares([entry.share for entry in cross_tab.shares], path, problems)
    shares = np.zeros(size)
    seen: set[int] = set()
    for number, entry in enumerate(cross_tab.shares):
        here = f"{path}.shares[{number}].cell"
        cell = _cell_number(entry.cell, dimensions, shape, names, labels, here, problems)
        if cell is None:
            continue
        if cell in seen:
            problems.add(here, "is there twice")
        seen.add(cell)
        shares[cell] += entry.share
    if len(problems.found) > before:
        return None
    return Table(dimensions, shape, normalised(shares), f"{path}.shares")


def _cell_number(
    cell: dict[str, str],
    dimensions: Dimensions,
    shape: Sequence[int],
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
    path: str,
    problems: Problems,
) -> int | None:
    wanted = {names[dimension] for dimension in dimensions}
    if set(cell) != wanted:
        problems.add(path, f"names {', '.join(sorted(cell)) or 'nothing'}, not {', '.join(sorted(wanted))}")
        return None
    number = 0
    for dimension, length in zip(dimensions, shape, strict=True):
        label = cell[names[dimension]]
        if label not in labels[dimension]:
            problems.add(path, f'"{label}" is not a label of {names[dimension]}')
            return None
        number = number * length + labels[dimension].index(label)
    return number


def _compare(
    table: Table, other: Table, names: Sequence[str], labels: Sequence[Sequence[str]], problems: Problems
) -> None:
    """Notes where the table and the other say different things about the dimensions both have."""
    common = tuple(sorted(set(table.dimensions) & set(other.dimensions)))
    mine, theirs = _margin(table, common), _margin(other, common)
    worst = int(np.abs(mine - theirs).argmax())
    if abs(mine.flat[worst] - theirs.flat[worst]) > SHARE_TOLERANCE:
        place = np.unravel_index(worst, mine.shape)
        cell = ", ".join(
            f"{names[dimension]} = {labels[dimension][int(number)]}"
            for dimension, number in zip(common, place, strict=True)
        )
        problems.add(
            table.path, f"sum to {mine.flat[worst]:.4g} for {cell}, but {other.path} say {theirs.flat[worst]:.4g}"
        )


def _margin(table: Table, common: Dimensions) -> Floats:
    away = tuple(axis for axis, dimension in enumerate(table.dimensions) if dimension not in common)
    return np.asarray(table.shares.reshape(table.shape).sum(axis=away))


def normalised(shares: Floats) -> Floats:
    """The shares scaled to sum to 1."""
    return shares / float(shares.sum())


def _repeated(items: Sequence[str]) -> Iterator[int]:
    """The places of what was there before."""
    seen: set[str] = set()
    for number, item in enumerate(items):
        if item in seen:
            yield number
        seen.add(item)
