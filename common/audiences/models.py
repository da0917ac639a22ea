"""What an audience is, as people write it and as it is kept. Dimensions and labels are data: any name, any language.

Everything that has an order is a list, because JSON objects lose theirs in a `jsonb` column and the order of
labels (age groups, say) carries meaning. The shorter forms people write are read by `common.audiences.shorthand`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from common.audiences.shorthand import expand_cross_tab, expand_dimension, expand_respondents, expand_spec

MAX_DIMENSIONS = 12
MIN_LABELS = 2
MAX_LABELS = 60
MAX_RESPONDENTS = 20_000
MAX_CROSS_TABS = 66
"""Every pair of 12 dimensions."""
MAX_CROSS_TAB_CELLS = 20_000

T = TypeVar("T")
Many = Annotated[tuple[T, ...], Field(strict=False)]
"""A tuple that may come as a list, as JSON has it; what is inside stays strict."""

Shortfall = Literal["impossible", "not_found"]
"""Why cross-tab cells are more than a seat off: proven to be unavoidable, or the search ended without a proof."""

Text100 = Annotated[str, Field(min_length=1, max_length=100)]
Text200 = Annotated[str, Field(min_length=1, max_length=200)]
Text2000 = Annotated[str, Field(max_length=2000)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Strict(BaseModel):
    """Takes nothing it does not know and converts nothing."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Source(Strict):
    """Where figures come from; `note` says what was derived, rounded or left out."""

    title: Annotated[str, Field(min_length=1, max_length=300)]
    publisher: Text200
    year: Annotated[int, Field(ge=1800, le=2200)]
    table: Text200 | None = None
    url: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    note: Text2000 | None = None


class LabelShare(Strict):
    """The share (0 to 1) of the audience that has one label."""

    label: Annotated[str, Field(max_length=200)]
    share: Number


class Dimension(Strict):
    """One categorical dimension: the shares of its labels sum to 1. `name` is what programs call it,
    `label` what people read. Also read from `shares: {label: share}`."""

    name: Annotated[str, Field(max_length=100)]
    label: Text200 | None = None
    note: Text2000 | None = None
    shares: Many[LabelShare]

    _shorthand = model_validator(mode="before")(expand_dimension)


class CrossTabShare(Strict):
    """The share (0 to 1) of the audience in one cell of a cross-tab; `cell` maps dimension to label."""

    cell: dict[str, str]
    share: Number


class CrossTab(Strict):
    """The joint distribution of some dimensions. Cells that are not listed have share 0, so those listed
    sum to 1. Also read from shares nested by label in the order of `dimensions`."""

    dimensions: Annotated[Many[str], Field(max_length=MAX_DIMENSIONS)]
    shares: Annotated[Many[CrossTabShare], Field(max_length=MAX_CROSS_TAB_CELLS)]

    _shorthand = model_validator(mode="before")(expand_cross_tab)


class Respondents(Strict):
    """A table of respondents: one row each, one label per dimension, None where it is not known.
    Without `weights` every row counts 1. Also read from a list of `{dimension: label, ...}` rows."""

    dimensions: Annotated[Many[str], Field(max_length=MAX_DIMENSIONS)]
    rows: Annotated[Many[Many[str | None]], Field(max_length=MAX_RESPONDENTS)]
    weights: Many[Number] | None = None

    _shorthand = model_validator(mode="before")(expand_respondents)


class AudienceSpec(Strict):
    """An audience as described: dimensions with their shares, optional cross-tabs, or a respondent table.

    With `respondents` alone, dimensions and shares are computed from the table. With both, the table is
    the starting point that is fitted to the given shares. Whether it makes sense is for `prepare` to say.
    """

    name: Text200
    description: Text2000 | None = None
    country: Text100 | None = None
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    sources: Annotated[Many[Source], Field(max_length=50)] = ()
    dimensions: Annotated[Many[Dimension], Field(max_length=100)] = ()
    cross_tabs: Annotated[Many[CrossTab], Field(max_length=MAX_CROSS_TABS)] = ()
    respondents: Respondents | None = None

    _shorthand = model_validator(mode="before")(expand_spec)


class Seat(Strict):
    """One place in a panel; `demographics` maps every dimension to its label."""

    position: int
    demographics: dict[str, str]


class LabelFit(Strict):
    """One label: its share and seats asked for (`target_seats` is size times share) and produced."""

    label: str
    target_share: float
    target_seats: float
    produced: int
    produced_share: float | None


class Deviation(Strict):
    """How far produced counts are from their targets; None where there is nothing to compare.

    `max_seats` is the largest absolute difference in seats, `total_variation` half the sum of absolute
    differences in share (0 to 1), `jensen_shannon` the distance with base 2 (0 to 1; Endres & Schindelin
    2003, "A new metric for probability distributions"), `chi_square` Pearson's statistic over cells with a
    positive target, and `p_value` its upper tail with `degrees_of_freedom`.
    """

    max_seats: float | None
    total_variation: float | None
    jensen_shannon: float | None
    chi_square: float | None
    degrees_of_freedom: int
    p_value: float | None


class DimensionFit(Strict):
    """How the produced panel meets one dimension. `missing` seats have no known label and count nowhere."""

    dimension: str
    labels: Many[LabelFit]
    missing: int
    deviation: Deviation
    within_one_seat: bool


class CellFit(Strict):
    """One cell of a cross-tab, as `LabelFit`."""

    cell: dict[str, str]
    target_share: float
    target_seats: float
    produced: int


class CrossTabFit(Strict):
    """How the produced panel meets one cross-tab.

    `cells` are those with a positive target or seats. `adjusted` tells that the given shares disagreed with
    the dimensions or with other cross-tabs within the tolerance, and that `target_share` is what all of them
    were reconciled to. When not every cell is within one seat, `shortfall` says why: `impossible` is proven,
    `not_found` means that the search ended without a proof.
    """

    dimensions: Many[str]
    cells: Many[CellFit]
    missing: int
    deviation: Deviation
    within_one_seat: bool
    adjusted: bool
    shortfall: Shortfall | None


class OverallFit(Strict):
    """All dimensions together: the largest deviation, mean distances, and the summed chi-square.

    The p-value treats the dimensions as independent. A panel is rounded, not sampled, so a value near 1 is
    what a good panel has; it is not evidence from a test.
    """

    size: int
    deviation: Deviation
    within_one_seat: bool
    cross_tabs_within_one_seat: bool | None


class FitReport(Strict):
    """How well the produced panel matches its audience. `notes` name every compromise made."""

    dimensions: Many[DimensionFit]
    cross_tabs: Many[CrossTabFit]
    overall: OverallFit
    notes: Many[str] = ()


class Panel(Strict):
    """The seats drawn for an audience, in an order whose every prefix is a fair part of the whole."""

    size: int
    seed: int
    seats: Many[Seat]
    fit: FitReport
