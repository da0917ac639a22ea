"""Fit statistics against their definitions and SciPy; what is missing is a gap."""

from __future__ import annotations

from math import log2, sqrt

import pytest
from scipy.special import chdtrc

from common.audiences.panel import draw_panel
from common.audiences.preparation import prepare
from common.audiences.statistics import chi_square_tail, fit_report
from tests.unit.audiences.audiences import audience

SEATED = [{"age": "18-39", "gender": "kobieta"}] * 3 + [{"age": "40+", "gender": "mężczyzna"}] * 7


def test_the_figures_are_those_of_their_definitions() -> None:
    """Chi-square, its p-value, the Jensen-Shannon distance, total variation and seats, worked out by hand."""
    age, gender = fit_report(prepare(audience()), SEATED).dimensions
    assert [entry.produced for entry in age.labels] == [3, 7]
    assert [entry.target_seats for entry in age.labels] == pytest.approx([4, 6])
    assert age.deviation.chi_square == pytest.approx(1 / 4 + 1 / 6)
    assert age.deviation.p_value == pytest.approx(chdtrc(1, 1 / 4 + 1 / 6))
    divergence = 0.3 * log2(0.3 / 0.35) + 0.7 * log2(0.7 / 0.65) + 0.4 * log2(0.4 / 0.35) + 0.6 * log2(0.6 / 0.65)
    assert age.deviation.jensen_shannon == pytest.approx(sqrt(divergence / 2))
    assert age.deviation.total_variation == pytest.approx(0.1)
    assert age.deviation.max_seats == pytest.approx(1.0)
    assert not age.within_one_seat
    assert gender.deviation.max_seats == pytest.approx(2.2)


def test_all_dimensions_together() -> None:
    """Overall: the largest deviation, mean distances, and chi-squares and degrees of freedom added up."""
    fit = fit_report(prepare(audience()), SEATED)
    age, gender = (each.deviation for each in fit.dimensions)
    assert age.chi_square is not None
    assert gender.chi_square is not None
    assert fit.overall.size == 10
    assert fit.overall.deviation.max_seats == pytest.approx(2.2)
    assert fit.overall.deviation.total_variation == pytest.approx((0.1 + 0.22) / 2)
    assert fit.overall.deviation.chi_square == pytest.approx(age.chi_square + gender.chi_square)
    assert fit.overall.deviation.degrees_of_freedom == 2
    assert fit.overall.deviation.p_value == pytest.approx(chdtrc(2, age.chi_square + gender.chi_square))
    assert not fit.overall.within_one_seat
    assert fit.overall.cross_tabs_within_one_seat is None


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 59, 300])
@pytest.mark.parametrize("statistic", [0.0, 0.01, 1.0, 7.5, 80.0, 900.0])
def test_the_chi_square_tail(statistic: float, freedom: int) -> None:
    """The finite series is the upper tail that SciPy computes."""
    assert chi_square_tail(statistic, freedom) == pytest.approx(chdtrc(freedom, statistic), rel=1e-9, abs=1e-290)


def test_seats_without_a_label_are_missing_not_zero() -> None:
    """A seat whose label is not known counts nowhere, and targets are shares of those known."""
    known = [{"age": "18-39"}, {"age": "40+"}, {"age": "40+"}, {"gender": "kobieta"}, {"age": "no such label"}]
    age, gender = fit_report(prepare(audience()), known).dimensions
    assert age.missing == 2
    assert sum(entry.target_seats for entry in age.labels) == pytest.approx(3)
    assert gender.missing == 4
    assert gender.labels[1].produced == 0


def test_nobody_at_all_has_no_statistics() -> None:
    """Without any seats there is nothing to compare: figures are gaps, not zeros."""
    fit = fit_report(prepare(audience()), [])
    deviation = fit.overall.deviation
    figures = (
        deviation.max_seats,
        deviation.total_variation,
        deviation.jensen_shannon,
        deviation.chi_square,
        deviation.p_value,
    )
    assert figures == (None,) * 5
    assert all(entry.produced_share is None for each in fit.dimensions for entry in each.labels)


def test_labels_without_a_share_stay_out_of_chi_square() -> None:
    """A label with no share is expected nowhere: it costs a degree of freedom and divides by nothing."""
    spec = audience(dimensions={"age": {"18-39": 0.5, "40+": 0.5, "0-17": 0.0}})
    deviation = draw_panel(spec, 10, 0).fit.dimensions[0].deviation
    assert deviation.degrees_of_freedom == 1
    assert deviation.chi_square == 0.0
    assert deviation.p_value == 1.0


def test_cross_tabs_are_judged_as_well() -> None:
    """Cells of a cross-tab have their own figures, among them those nobody asked for."""
    spec = audience(
        cross_tabs=[
            {
                "dimensions": ["gender", "age"],
                "shares": {"kobieta": {"18-39": 0.4, "40+": 0.12}, "mężczyzna": {"40+": 0.48}},
            }
        ]
    )
    (cross_tab,) = fit_report(prepare(spec), [*SEATED, {"age": "18-39", "gender": "mężczyzna"}]).cross_tabs
    produced = {tuple(cell.cell.values()): cell.produced for cell in cross_tab.cells}
    assert produced == {
        ("18-39", "kobieta"): 3,
        ("18-39", "mężczyzna"): 1,
        ("40+", "kobieta"): 0,
        ("40+", "mężczyzna"): 7,
    }
    assert not cross_tab.within_one_seat
    assert cross_tab.deviation.degrees_of_freedom == 2
