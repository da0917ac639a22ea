"""What a respondent table says: the shares of its labels, and the joint distribution to start fitting from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from common.audiences.models import Dimension, LabelShare, Respondents
from common.audiences.structure import Dimensions, Floats, Ints

Partial = tuple[int | None, ...]
"""Label numbers of a row, None where unknown."""
MAX_DONORS = 50
"""How many fillings a gap is spread over."""


@dataclass(frozen=True, slots=True)
class Seed:
    """Combinations that respondents have: `cells` (M x d) are label numbers over `dimensions` (ascending), `shares`
    (M,) sum to 1. `incomplete` respondents have a label missing."""

    dimensions: Dimensions
    cells: Ints
    shares: Floats
    incomplete: int


def label_counts(table: Respondents) -> list[dict[str, float]]:
    """The weight of every label, per dimension, among the respondents of whom it is known; labels in natural
    order (9 before 10)."""
    counts: list[dict[str, float]] = [{} for _ in table.dimensions]
    for row, weight in zip(table.rows, _weights(table), strict=True):
        for count, label in zip(counts, row, strict=True):
            if label is not None:
                count[label] = count.get(label, 0.0) + weight
    return [dict(sorted(count.items(), key=lambda entry: _natural(entry[0]))) for count in counts]


def dimensions_of(table: Respondents) -> tuple[Dimension, ...]:
    """The dimensions of the table with the shares of their labels."""
    dimensions = []
    for name, counts in zip(table.dimensions, label_counts(table), strict=True):
        total = sum(counts.values())
        shares = tuple(LabelShare(label=label, share=count / total) for label, count in counts.items())
        dimensions.append(Dimension(name=name, shares=shares))
    return tuple(dimensions)


def joint_seed(table: Respondents, names: Sequence[str], labels: Sequence[Sequence[str]]) -> Seed:
    """The joint distribution of the table's dimensions. What a row lacks is taken from the complete rows in proportion
    to their weights (fractional hot deck imputation, Kalton & Kish 1984, "Some efficient random imputation methods"),
    so that a gap counts as neither one label nor another. Without any complete row there are no cells.
    """
    dimensions = tuple(sorted(names.index(name) for name in table.dimensions))
    columns = [table.dimensions.index(names[dimension]) for dimension in dimensions]
    numbers = [{label: number for number, label in enumerate(labels[dimension])} for dimension in dimensions]
    rows: defaultdict[Partial, float] = defaultdict(float)
    for row, weight in zip(table.rows, _weights(table), strict=True):
        cell = tuple(_number(known, row[column]) for known, column in zip(numbers, columns, strict=True))
        rows[cell] += weight
    complete = {cell: weight for cell, weight in rows.items() if None not in cell}
    joint: defaultdict[Partial, float] = defaultdict(float, complete)
    donors = cache(partial(_donors, complete))
    for cell, weight in rows.items():
        gaps = tuple(place for place, number in enumerate(cell) if number is None)
        for filling, share in donors(gaps) if gaps else ():
            filled = list(cell)
            for place, number in zip(gaps, filling, strict=True):
                filled[place] = number
            joint[tuple(filled)] += weight * share
    cells = sorted(joint)
    weights = np.array([joint[cell] for cell in cells])
    return Seed(
        dimensions,
        np.array(cells, dtype=np.int64).reshape(len(cells), len(dimensions)),
        weights / weights.sum() if len(weights) else weights,
        sum(None in row for row in table.rows),
    )


def _donors(complete: dict[Partial, float], gaps: tuple[int, ...]) -> list[tuple[Partial, float]]:
    """The likeliest fillings of the gaps among complete rows, with the shares of their weight."""
    fillings: defaultdict[Partial, float] = defaultdict(float)
    for cell, weight in complete.items():
        fillings[tuple(cell[place] for place in gaps)] += weight
    likeliest = sorted(fillings.items(), key=lambda entry: -entry[1])[:MAX_DONORS]
    total = sum(weight for _, weight in likeliest)
    return [(filling, weight / total) for filling, weight in likeliest]


def _number(known: dict[str, int], label: str | None) -> int | None:
    return None if label is None else known[label]


def _weights(table: Respondents) -> Sequence[float]:
    return table.weights if table.weights is not None else [1.0] * len(table.rows)


def _natural(label: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", label)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
