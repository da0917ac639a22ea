"""Puts single dimensions right, one seat at a time: always possible, because a label changes in one dimension only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.audiences.balancing import rounded_down, rounded_up
from common.audiences.likelihood import Term, log_likelihood
from common.audiences.structure import Ints, Table


def mend(seats: Ints, margins: Sequence[Table], likelihood: Sequence[Term], generator: np.random.Generator) -> None:
    """Changes labels in `seats` (one column per dimension of the audience), in place, until every label of `margins`
    is within one seat of its target. Each time the seat changes whose combination is likeliest to change so: drawn
    with chances in proportion to the likelihood ratio (the Gumbel-max trick)."""
    for margin in margins:
        (dimension,) = margin.dimensions
        terms = [term for term in likelihood if dimension in term.dimensions]
        low, high = rounded_down(len(seats) * margin.shares), rounded_up(len(seats) * margin.shares)
        counts = np.bincount(seats[:, dimension], minlength=len(low))
        while (counts > high).any() or (counts < low).any():
            spare = counts - high if (counts > high).any() else counts - low
            want = low - counts if (counts < low).any() else high - counts
            source, sink = int(spare.argmax()), int(want.argmax())
            candidates = np.flatnonzero(seats[:, dimension] == source)
            chances = generator.gumbel(size=len(candidates))
            for number, candidate in enumerate(candidates):
                row = seats[candidate].tolist()
                chances[number] -= log_likelihood(terms, row)
                row[dimension] = sink
                chances[number] += log_likelihood(terms, row)
            seats[candidates[chances.argmax()], dimension] = sink
            counts[source] -= 1
            counts[sink] += 1
