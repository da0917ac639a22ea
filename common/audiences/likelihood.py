"""How likely a combination of labels is in an audience, for moves that change one seat at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.audiences.structure import Clique, Dimensions, cell_numbers, joint_cells, summed

UNSEEN = -12.0
"""Log-likelihood of a combination that has no share: to be avoided, not forbidden."""


@dataclass(frozen=True, slots=True)
class Term:
    """Log share of every cell of a clique, or minus that of a separator, which two cliques count."""

    dimensions: Dimensions
    logs: dict[tuple[int, ...], float]
    unseen: float


def likelihood_terms(cliques: Sequence[Clique], sizes: Sequence[int]) -> list[Term]:
    """The terms that add up to the log-likelihood of a row of labels under one tree of cliques."""
    terms = []
    for clique in cliques:
        terms.append(Term(clique.dimensions, _logs(clique.cells.tolist(), np.log(clique.shares).tolist()), UNSEEN))
        if clique.separator:
            numbers = cell_numbers(clique, clique.separator, sizes)
            shares = summed(numbers, clique.shares, joint_cells(clique.separator, sizes))
            seen = np.flatnonzero(shares)
            cells = np.stack(np.unravel_index(seen, [sizes[dimension] for dimension in clique.separator]), axis=1)
            terms.append(Term(clique.separator, _logs(cells.tolist(), (-np.log(shares[seen])).tolist()), -UNSEEN))
    return terms


def log_likelihood(terms: Iterable[Term], row: Sequence[int]) -> float:
    """The sum of the terms for a row of labels, one per dimension of the audience."""
    return sum(term.logs.get(tuple([row[dimension] for dimension in term.dimensions]), term.unseen) for term in terms)


def _logs(cells: list[list[int]], logs: list[float]) -> dict[tuple[int, ...], float]:
    return dict(zip(map(tuple, cells), logs, strict=True))
