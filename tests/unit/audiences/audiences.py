"""Factories of audiences, as people write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from common.audiences.models import AudienceSpec, Panel
from common.audiences.parsing import parse_audience


def audience(**changes: Any) -> AudienceSpec:
    """Two dimensions that make sense, but for the changes."""
    described: dict[str, Any] = {
        "name": "Adults",
        "dimensions": {"age": {"18-39": 0.4, "40+": 0.6}, "gender": {"kobieta": 0.52, "mężczyzna": 0.48}},
    }
    return parse_audience(described | changes)


def from_joint(joint: np.ndarray[Any, np.dtype[np.float64]], ties: Sequence[tuple[int, ...]]) -> AudienceSpec:
    """The audience of a joint distribution: all its dimensions, and the cross-tabs of `ties`."""

    def margin(kept: tuple[int, ...]) -> Any:
        return joint.sum(axis=tuple(axis for axis in range(joint.ndim) if axis not in kept))

    def label(axis: int, number: int) -> str:
        return f"{'abcdef'[axis]}{number}"

    return parse_audience(
        {
            "name": "Drawn",
            "dimensions": {
                f"d{axis}": {label(axis, number): share for number, share in enumerate(margin((axis,)).tolist())}
                for axis in range(joint.ndim)
            },
            "cross_tabs": [
                {
                    "dimensions": [f"d{axis}" for axis in tie],
                    "shares": [
                        {
                            "cell": {f"d{axis}": label(axis, number) for axis, number in zip(tie, cell, strict=True)},
                            "share": float(margin(tie)[cell]),
                        }
                        for cell in product(*(range(joint.shape[axis]) for axis in tie))
                    ],
                }
                for tie in ties
            ],
        }
    )


@st.composite
def audiences(draw: st.DrawFn, *, tied: bool = False) -> AudienceSpec:
    """Any audience of 1 to 6 dimensions, consistent because it comes from one joint distribution; labels may have no
    share at all. When `tied`, with cross-tabs over some pairs and triples."""
    shape = draw(st.lists(st.integers(2, 5), min_size=2 if tied else 1, max_size=4 if tied else 6))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.Generator(np.random.PCG64(seed))
    joint = generator.dirichlet(np.full(int(np.prod(shape)), draw(st.sampled_from([0.05, 0.5, 5.0])))).reshape(shape)
    ties: list[tuple[int, ...]] = []
    if tied:
        axes = range(len(shape))
        pairs = [(one, other) for one in axes for other in axes if one < other]
        ties = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=3, unique=True))
        if len(shape) > 2 and draw(st.booleans()):
            ties.append((0, 1, 2))
    return from_joint(joint, ties)


def counted(panel: Panel, *dimensions: str) -> Counter[tuple[str, ...]]:
    """How many seats have each combination of labels."""
    return Counter(tuple(seat.demographics[name] for name in dimensions) for seat in panel.seats)
