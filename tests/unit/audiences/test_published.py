"""The audiences that come with Sight have the shares that follow from the published counts."""

from __future__ import annotations

import csv

import pytest

from common.audiences.catalogue import list_audiences, load_audience
from common.audiences.preparation import prepare
from tests.unit.audiences.published import COUNTS, DERIVED, round_shares

ASSUMED = {"rural": {"age", "gender", "education", "home", "birthplace"}}
"""Dimensions whose shares were published as they are, or are an assumption that the source's note states."""


@pytest.mark.parametrize("slug", sorted(DERIVED))
def test_every_share_follows_from_published_counts(slug: str) -> None:
    """Each dimension and cross-tab of the file is what the counts give, to the last digit."""
    spec = load_audience(slug)
    figures = DERIVED[slug]()
    shares = {each.name: {entry.label: entry.share for entry in each.shares} for each in spec.dimensions}
    for name in ASSUMED.get(slug, ()):
        del shares[name]
    assert shares == {name: pytest.approx(labels) for name, labels in figures.dimensions.items()}
    cross_tabs = {
        tuple(each.dimensions): {tuple(cell.cell[name] for name in each.dimensions): cell.share for cell in each.shares}
        for each in spec.cross_tabs
    }
    assert cross_tabs == {names: pytest.approx(cells) for names, cells in figures.cross_tabs.items()}


def test_every_audience_is_derived() -> None:
    """No audience comes with shares that nobody can recompute."""
    assert set(DERIVED) == {entry.slug for entry in list_audiences()}


@pytest.mark.parametrize("slug", sorted(DERIVED))
def test_nothing_has_to_be_adjusted(slug: str) -> None:
    """Shares sum to 1 exactly and cross-tabs agree with the dimensions and each other."""
    spec = load_audience(slug)
    for dimension in spec.dimensions:
        assert sum(entry.share for entry in dimension.shares) == pytest.approx(1, abs=1e-9)
    audience = prepare(spec)
    assert not any(audience.adjusted)
    assert audience.notes == ()


def test_counts_sum_to_the_published_totals() -> None:
    """A misprint in a table of counts shows in its total."""

    def total(name: str, *columns: str) -> int:
        with (COUNTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return sum(int(row[column]) for row in csv.DictReader(file) for column in columns)

    assert total("poland-2024-voivodeships", "total") == 37_489_087
    assert total("poland-2023-urban", "people") == 22_376_547
    assert total("usa-2017-attainment", "people") == 252_070_495
    assert total("usa-states", "urban_2020") == 265_149_027
    assert total("usa-states", "urban_2020", "rural_2020") == 331_449_281
    assert total("germany-2022-states", "people") == 84_358_845
    poland = total("poland-2024-voivodeships", "total") - total(
        "poland-2024-voivodeships", "0-2", "3-6", "7-12", "13-15"
    )
    assert total("poland-2024-age-sex", "women", "men") == poland


def test_rounded_shares_are_nearest_and_sum_to_the_whole() -> None:
    """Largest remainders are rounded up, the rest down, and ties go by name."""
    assert round_shares({("a",): 1, ("b",): 1, ("c",): 1}, 100) == {("a",): 34, ("b",): 33, ("c",): 33}
    assert round_shares({("a",): 16, ("b",): 83, ("c",): 1.0}, 10) == {("a",): 2, ("b",): 8, ("c",): 0}
