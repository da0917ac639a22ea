"""What a respondent table says: the shares of its labels, and the joint distribution to start fitting from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.audiences.models import Dimension, LabelShare, Respondents
from common.audiences.structure import Dimensions, Floats, Ints


@dataclass(frozen=True, slots=True)
class Seed:
    """Combinations seen among respondents whose labels are all known: `cells` (M x d) are label numbers over
    `dimensions` (ascending), `shares` (M,) sum to 1. `incomplete` respondents are not among them."""

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
    """The joint distribution of the table's dimensions among its complete rows, which may be none."""
    dimensions = tuple(sorted(names.index(name) for name in table.dimensions))
    columns = [table.dimensions.index(names[dimension]) for dimension in dimensions]
    numbers = [{label: number for number, label in enumerate(labels[dimension])} for dimension in dimensions]
    joint: dict[tuple[int, ...], float] = {}
    incomplete = 0
    for row, weight in zip(table.rows, _weights(table), strict=True):
        known = [(number, row[column]) for number, column in zip(numbers, columns, strict=True)]
        if any(label is None for _, label in known):
            incomplete += 1
            continue
        cell = tuple(number[label] for number, label in known if label is not None)
        joint[cell] = joint.get(cell, 0.0) + weight
    cells = np.array(sorted(joint), dtype=np.int64).reshape(len(joint), len(dimensions))
    weights = np.array([joint[cell] for cell in sorted(joint)])
    return Seed(dimensions, cells, weights / weights.sum() if len(weights) else weights, incomplete)


def _weights(table: Respondents) -> Sequence[float]:
    return table.weights if table.weights is not None else [1.0] * len(table.rows)


def _natural(label: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", label)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
