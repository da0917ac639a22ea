"""Draws a panel for an audience, and reports how well a panel fits it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from common.audiences.models import (
    AudienceSpec,
    CellFit,
    CrossTabFit,
    DimensionFit,
    FitReport,
    LabelFit,
    Panel,
    Seat,
    Shortfall,
)
from common.audiences.preparation import Audience, prepare
from common.audiences.rounding import seat
from common.audiences.statistics import WITHIN, deviation, overall
from common.audiences.structure import Dimensions, Table

GENERATOR = np.random.PCG64
"""Named, so that the same seed draws the same panel whatever numpy's default becomes (O'Neill 2014, "PCG")."""


def draw_panel(spec: AudienceSpec, size: int, seed: int) -> Panel:
    """A panel of `size` seats. The same audience, size and seed draw the same panel on every machine.

    Every single dimension is within one seat of its target; where a cross-tab is not, the report says why.
    Raises `InvalidInput` for an audience that makes no sense.
    """
    audience = prepare(spec)
    seating = seat(audience, size, np.random.Generator(GENERATOR(seed % 2**64)))
    seated = [
        {
            name: audience.labels[column][label]
            for column, (name, label) in enumerate(zip(audience.names, row, strict=True))
        }
        for row in seating.seats.tolist()
    ]
    return Panel(
        size=size,
        seed=seed,
        seats=tuple(Seat(position=position, demographics=each) for position, each in enumerate(seated)),
        fit=_report(audience, seated, seating.shortfalls),
    )


def fit_report(spec: AudienceSpec, seated: Sequence[Mapping[str, str]]) -> FitReport:
    """How well people with these demographics, by dimension, match an audience. Raises as `draw_panel` does."""
    return _report(prepare(spec), seated, {})


def _report(
    audience: Audience, seated: Sequence[Mapping[str, str]], shortfalls: Mapping[Dimensions, Shortfall]
) -> FitReport:
    dimensions = tuple(_dimension(audience, number, seated) for number in range(len(audience.names)))
    cross_tabs = tuple(
        _cross_tab(audience, table, adjusted, seated, shortfalls.get(table.dimensions))
        for table, adjusted in zip(audience.cross_tabs, audience.adjusted, strict=True)
    )
    return FitReport(
        dimensions=dimensions,
        cross_tabs=cross_tabs,
        overall=overall(
            [each.deviation for each in dimensions],
            len(seated),
            cross_tabs_within=all(each.within_one_seat for each in cross_tabs) if cross_tabs else None,
        ),
        notes=audience.notes,
    )


def _dimension(audience: Audience, number: int, seated: Sequence[Mapping[str, str]]) -> DimensionFit:
    name, labels, targets = audience.names[number], audience.labels[number], audience.margins[number].shares.tolist()
    counted = Counter(each.get(name) for each in seated)
    counts = [counted[label] for label in labels]
    size = sum(counts)
    fit = deviation(targets, counts)
    return DimensionFit(
        dimension=name,
        labels=tuple(
            LabelFit(
                label=label,
                target_share=share,
                target_seats=share * size,
                produced=count,
                produced_share=count / size if size else None,
            )
            for label, share, count in zip(labels, targets, counts, strict=True)
        ),
        missing=len(seated) - size,
        deviation=fit,
        within_one_seat=fit.max_seats is None or fit.max_seats < WITHIN,
    )


def _cross_tab(
    audience: Audience, table: Table, adjusted: bool, seated: Sequence[Mapping[str, str]], shortfall: Shortfall | None
) -> CrossTabFit:
    names = [audience.names[dimension] for dimension in table.dimensions]
    labels = [audience.labels[dimension] for dimension in table.dimensions]
    counted = Counter(tuple(each.get(name) for name in names) for each in seated)
    cells = [tuple(labels[n][at] for n, at in enumerate(index)) for index in np.ndindex(*table.shape)]
    counts = [counted[cell] for cell in cells]
    targets = table.shares.tolist()
    size = sum(counts)
    fit = deviation(targets, counts)
    return CrossTabFit(
        dimensions=tuple(names),
        cells=tuple(
            CellFit(
                cell=dict(zip(names, cell, strict=True)), target_share=share, target_seats=share * size, produced=count
            )
            for cell, share, count in zip(cells, targets, counts, strict=True)
            if share > 0 or count > 0
        ),
        missing=len(seated) - size,
        deviation=fit,
        within_one_seat=fit.max_seats is None or fit.max_seats < WITHIN,
        adjusted=adjusted,
        shortfall=shortfall,
    )
