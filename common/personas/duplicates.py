"""Finds personas that are the same person twice, by the cosine similarity of their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.personas.models import NearestSimilarity, Profile

THRESHOLD = 0.95
"""From this cosine similarity on, two personas are the same person told twice. People of one segment share much of
their lives and reach 0.9 with good models, so that a lower threshold would mark what is only alike; the review
reports how near the nearest are, for whoever wants to be stricter."""


@dataclass(frozen=True, slots=True)
class Similarities:
    """`duplicate_of` has, for each persona, the place of the first one it is the same as, or None."""

    duplicate_of: list[int | None]
    nearest: NearestSimilarity | None


def persona_text(profile: Profile) -> str:
    """What of a persona is embedded: all that makes the person, and not the name, since a copy under another
    name is a copy."""
    lists = (profile.values, profile.interests, profile.concerns, profile.needs, profile.pains)
    return "\n".join(
        (
            profile.headline,
            profile.occupation,
            profile.story,
            *("; ".join(entries) for entries in lists),
            profile.communication_style,
            profile.decision_style,
        )
    )


def compare(vectors: Sequence[Sequence[float]] | NDArray[np.float32], threshold: float = THRESHOLD) -> Similarities:
    """Compares unit vectors (n x 768), each with all others. The first of those that are the same stays; the
    others are duplicates of it."""
    matrix = np.asarray(vectors, dtype=np.float32)
    if len(matrix) < 2:
        return Similarities([None] * len(matrix), None)
    similarity = matrix @ matrix.T
    np.fill_diagonal(similarity, -1.0)
    duplicate_of: list[int | None] = []
    for place, row in enumerate(similarity):
        same = (int(other) for other in np.flatnonzero(row[:place] >= threshold))
        duplicate_of.append(next((other for other in same if duplicate_of[other] is None), None))
    nearest = similarity.max(axis=1)
    median, p95, highest = (round(float(value), 4) for value in np.quantile(nearest, (0.5, 0.95, 1.0)))
    return Similarities(duplicate_of, NearestSimilarity(median=median, p95=p95, max=highest))
