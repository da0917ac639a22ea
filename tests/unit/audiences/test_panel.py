"""Panels: whatever the audience and the size, what comes out matches, and comes out again."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.audiences.models import AudienceSpec, Panel
from common.audiences.panel import draw_panel
from common.audiences.preparation import prepare
from common.audiences.rounding import seat
from common.errors import InvalidInput
from tests.unit.audiences.audiences import audience, audiences, counted, from_joint

SEEDS = st.integers(0, 2**63 - 1)


@given(spec=audiences(), size=st.integers(1, 300), seed=SEEDS)
@settings(max_examples=80)
def test_every_label_is_within_one_seat(spec: AudienceSpec, size: int, seed: int) -> None:
    """Whatever the shares and the size, every label gets its share rounded up or down."""
    panel = draw_panel(spec, size, seed)
    assert [seat.position for seat in panel.seats] == list(range(size))
    for dimension in spec.dimensions:
        counts = counted(panel, dimension.name)
        for entry in dimension.shares:
            assert abs(counts[(entry.label,)] - size * entry.share) < 1
    assert panel.fit.overall.within_one_seat


@given(spec=audiences(tied=True), size=st.integers(1, 300), seed=SEEDS)
@settings(max_examples=40)
def test_every_cross_tab_cell_is_within_one_seat_or_said_not_to_be(spec: AudienceSpec, size: int, seed: int) -> None:
    """Cells of cross-tabs round up or down too; where that cannot be had the report says so, and labels still fit."""
    panel = draw_panel(spec, size, seed)
    for dimension in spec.dimensions:
        counts = counted(panel, dimension.name)
        assert all(abs(counts[(entry.label,)] - size * entry.share) < 1 for entry in dimension.shares)
    for cross_tab, fit in zip(spec.cross_tabs, panel.fit.cross_tabs, strict=True):
        cells = counted(panel, *cross_tab.dimensions)
        off = max(
            abs(cells[tuple(entry.cell[name] for name in cross_tab.dimensions)] - size * entry.share)
            for entry in cross_tab.shares
        )
        assert fit.within_one_seat == (off < 1)
        assert fit.within_one_seat or fit.shortfall in ("impossible", "not_found")
        assert fit.within_one_seat or any("not within one seat" in note for note in panel.fit.notes)


@given(spec=audiences(tied=True), size=st.integers(1, 40), seed=SEEDS)
@settings(max_examples=10)
def test_the_same_seed_draws_the_same_panel(spec: AudienceSpec, size: int, seed: int) -> None:
    """Audience, size and seed decide everything, after a trip through JSON as well."""
    kept = AudienceSpec.model_validate_json(spec.model_dump_json())
    assert kept == spec
    assert draw_panel(kept, size, seed) == draw_panel(spec, size, seed)


def test_a_panel_never_changes_between_machines_and_releases() -> None:
    """Panels drawn before are drawn again: these were written down, one of a kind the walk rounds alone, one of
    a kind that needs swaps."""
    shares = {"18-39": {"kobieta": 0.2, "mężczyzna": 0.2}, "40+": {"kobieta": 0.32, "mężczyzna": 0.28}}
    simple = audience(cross_tabs=[{"dimensions": ["age", "gender"], "shares": shares}])
    assert ["".join(seat.demographics.values()) for seat in draw_panel(simple, 6, 42).seats] == [
        "18-39kobieta",
        "18-39mężczyzna",
        "40+kobieta",
        "18-39kobieta",
        "40+mężczyzna",
        "40+kobieta",
    ]

    joint = np.arange(1, 65, dtype=np.float64).reshape(4, 4, 4) / (32 * 65)
    circle = draw_panel(from_joint(joint, [(0, 1), (1, 2), (0, 2)]), 13, 42)
    assert circle.fit.overall.cross_tabs_within_one_seat
    assert " ".join("".join(seat.demographics.values()) for seat in circle.seats) == (
        "a3b2c0 a2b0c2 a3b3c2 a2b3c0 a3b0c3 a1b3c1 a2b3c3 a3b1c0 a1b1c2 a2b1c1 a3b1c3 a3b2c1 a2b2c2"
    )


def test_seeds_differ_among_equally_good_panels() -> None:
    """Other seeds seat other people."""
    panels = {
        tuple(tuple(seat.demographics.values()) for seat in draw_panel(audience(), 10, seed).seats) for seed in range(8)
    }
    assert len(panels) == 8


def test_expected_counts_are_unbiased() -> None:
    """Over many seeds a combination gets its share, however rare: rounding favours none."""
    joint = np.array([[0.02, 0.08, 0.1], [0.13, 0.27, 0.4]])
    prepared, draws, size = prepare(from_joint(joint, [(0, 1)])), 400, 7
    totals = np.zeros(joint.shape)
    for seed in range(draws):
        np.add.at(totals, tuple(seat(prepared, size, np.random.Generator(np.random.PCG64(seed))).seats.T), 1)
    # A count that is rounded up or down varies by a quarter at most; five standard errors of the mean.
    assert np.abs(totals / draws - size * joint).max() < 5 * 0.5 / draws**0.5


def test_a_large_joint_distribution_is_rounded_as_well() -> None:
    """Three-way cross-tabs over four dimensions of nine labels: too many cells to round, so that a sample stands for
    them, and what comes out fits as it should."""
    weights = np.arange(1.0, 10.0)
    joint = np.einsum("i,j,k,l->ijkl", weights, weights[::-1], weights, np.ones(9))
    spec = from_joint(joint / joint.sum(), [(0, 1, 2), (0, 3), (1, 3), (2, 3)])
    fit = draw_panel(spec, 30, 5).fit
    assert fit.overall.within_one_seat
    assert all(each.within_one_seat or each.shortfall == "not_found" for each in fit.cross_tabs)


def test_shares_close_to_nothing_are_no_contradiction() -> None:
    """Fitting cross-tabs with shares down to one in a hundred billion is slow to converge; it is not refused."""
    joint = np.zeros((2, 3, 2))
    joint[0, 0, 1], joint[0, 1, 0], joint[0, 1, 1], joint[0, 2, 0] = 6.3e-8, 2.5e-6, 0.52, 1.5e-11
    joint[1, 0, 0], joint[1, 0, 1], joint[1, 1, 0], joint[1, 1, 1] = 0.408, 5e-5, 0.071, 4e-10
    spec = from_joint(joint / joint.sum(), [(0, 1), (0, 2), (1, 2)])
    assert draw_panel(spec, 100, 0).fit.overall.within_one_seat


def test_scipy_is_left_out_of_a_cold_start() -> None:
    """A panel with two-way cross-tabs, and its report, need no SciPy: importing it would take seconds."""
    code = """
import sys
from common.audiences.panel import draw_panel
from common.audiences.parsing import parse_audience
shares = {"a": {"c": 0.1, "d": 0.4}, "b": {"c": 0.3, "d": 0.2}}
draw_panel(parse_audience({
    "name": "Two", "dimensions": {"x": {"a": 0.5, "b": 0.5}, "y": {"c": 0.4, "d": 0.6}},
    "cross_tabs": [{"dimensions": ["x", "y"], "shares": shares}],
}), 20, 1)
assert not any(name.startswith("scipy") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_dimensions_that_nothing_ties_come_out_independent() -> None:
    """Without cross-tabs the seats of one label are spread evenly over the others."""
    spec = from_joint(np.full((2, 5, 4), 1 / 40), [])
    for seed in range(5):
        for names in (("d0", "d1"), ("d0", "d2"), ("d1", "d2")):
            counts = counted(draw_panel(spec, 200, seed), *names)
            expected = 200 / {"d0d1": 10, "d0d2": 8, "d1d2": 20}["".join(names)]
            assert max(abs(count - expected) for count in counts.values()) <= 5


def test_any_prefix_is_a_fair_part() -> None:
    """Seats come in an order by lot: the first half of a panel has about half of everybody."""
    spec = audience()
    women = [
        sum(seat.demographics["gender"] == "kobieta" for seat in draw_panel(spec, 100, seed).seats[:50])
        for seed in range(40)
    ]
    assert 22 < sum(women) / 40 < 30


def test_a_cross_tab_that_no_panel_meets_is_said_to_be_impossible() -> None:
    """Of two seats one each has label 0 in three dimensions, but no share is left for the opposite of any seat: the
    report says that this is proven, and every single dimension fits none the less."""
    joint = np.zeros((2, 2, 2))
    for cell in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        joint[cell] = 0.25
    panel = draw_panel(from_joint(joint, [(0, 1, 2)]), 2, 0)
    assert panel.fit.overall.within_one_seat
    assert panel.fit.cross_tabs[0].shortfall == "impossible"
    assert panel.fit.overall.cross_tabs_within_one_seat is False
    assert any("no panel of this size could" in note for note in panel.fit.notes)


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    """A panel has from 1 to 1000 seats."""
    with pytest.raises(InvalidInput) as refused:
        draw_panel(audience(), size, 0)
    assert [error.field for error in refused.value.errors] == ["size"]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    """A seed fits a signed 64-bit column."""
    with pytest.raises(InvalidInput) as refused:
        draw_panel(audience(), 2, seed)
    assert [error.field for error in refused.value.errors] == ["seed"]


def test_a_panel_survives_json() -> None:
    """A panel read back from its JSON is the same panel."""
    panel = draw_panel(audience(), 5, 1)
    assert Panel.model_validate_json(panel.model_dump_json()) == panel
