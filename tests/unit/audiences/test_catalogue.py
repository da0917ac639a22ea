"""The audiences that come with Sight make sense, say where their figures come from, and can be drawn."""

from __future__ import annotations

import pytest

from common.audiences.catalogue import list_audiences, load_audience
from common.audiences.panel import draw_panel
from common.audiences.preparation import prepare
from common.errors import InvalidInput

SLUGS = [entry.slug for entry in list_audiences()]


def test_the_catalogue_has_what_the_documentation_promises() -> None:
    """Three countries and six presets."""
    assert set(SLUGS) == {
        "poland-adults",
        "usa-adults",
        "germany-adults",
        "gen-z",
        "millennials",
        "gen-x",
        "boomers",
        "urban-professionals",
        "rural",
    }


@pytest.mark.parametrize("slug", SLUGS)
def test_every_audience_makes_sense_and_has_sources(slug: str) -> None:
    """Shares sum to 1 within rounding, the country is stated, and every source says what was made of it."""
    spec = load_audience(slug)
    prepare(spec)
    assert spec.country
    assert spec.language
    assert spec.sources
    assert all(source.note and source.url for source in spec.sources)
    assert {"age", "gender", "education", "location"} <= {dimension.name for dimension in spec.dimensions}


@pytest.mark.parametrize("slug", SLUGS)
def test_every_audience_can_be_drawn(slug: str) -> None:
    """A panel of twenty fits every dimension."""
    fit = draw_panel(load_audience(slug), 20, 1).fit
    assert fit.overall.within_one_seat
    assert fit.notes == ()


@pytest.mark.parametrize("slug", ["atlantis", "../audiences/rural", "presets/rural", ""])
def test_a_slug_that_does_not_exist_is_refused(slug: str) -> None:
    """Only slugs of the list name an audience; a path is none."""
    with pytest.raises(InvalidInput) as refused:
        load_audience(slug)
    assert [error.field for error in refused.value.errors] == ["audience_slug"]
