"""Draws a panel from an audience: the one way in."""

from __future__ import annotations

import numpy as np

from common.audiences.models import AudienceSpec, Panel, Seat
from common.audiences.preparation import prepare
from common.audiences.rounding import seat
from common.audiences.statistics import fit_report
from common.errors import InvalidInput

MAX_PANEL = 1000
MAX_SEED = 2**63 - 1


def draw_panel(spec: AudienceSpec, size: int, seed: int) -> Panel:
    """A panel of `size` seats (1 to 1000) that matches the audience: every label of every dimension within one seat of
    its share, every cross-tab cell too wherever a way is found (the report says where not). The same audience, size
    and seed give the same panel on every machine; any prefix is a fair part of it.

    Raises `InvalidInput` when the audience makes no sense, or size or seed (0 to 2**63 - 1) are out of range.
    """
    if not 1 <= size <= MAX_PANEL:
        raise InvalidInput.of("size", f"{size} seats; from 1 to {MAX_PANEL}")
    if not 0 <= seed <= MAX_SEED:
        raise InvalidInput.of("seed", f"is {seed}; from 0 to {MAX_SEED}")
    audience = prepare(spec)
    seating = seat(audience, size, np.random.Generator(np.random.PCG64(seed)))
    demographics = [
        {name: labels[label] for name, labels, label in zip(audience.names, audience.labels, row, strict=True)}
        for row in seating.seats.tolist()
    ]
    return Panel(
        size=size,
        seed=seed,
        seats=tuple(Seat(position=position, demographics=each) for position, each in enumerate(demographics)),
        fit=fit_report(audience, demographics, seating.shortfalls),
    )
