"""Audiences as people write them become one form, whose order survives storage; what cannot be read names its field."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from common.audiences.models import AudienceSpec
from common.audiences.parsing import field_path, parse_audience
from common.errors import InvalidInput
from tests.unit.audiences.audiences import audience


def refused(data: object) -> list[str]:
    """The fields that are wrong with `data`."""
    with pytest.raises(InvalidInput) as caught:
        parse_audience(data)
    return [error.field for error in caught.value.errors]


@pytest.mark.parametrize(
    "dimensions",
    [
        {"age": {"18-39": 0.4, "40+": 0.6}},
        {"age": {"shares": {"18-39": 0.4, "40+": 0.6}}},
        [{"name": "age", "shares": {"18-39": 0.4, "40+": 0.6}}],
        [{"name": "age", "shares": [{"label": "18-39", "share": 0.4}, {"label": "40+", "share": 0.6}]}],
    ],
    ids=["by name", "by name with shares", "list of mappings", "list of lists"],
)
def test_dimensions_may_be_written_in_several_forms(dimensions: Any) -> None:
    """Every form is the same audience."""
    (dimension,) = parse_audience({"name": "Adults", "dimensions": dimensions}).dimensions
    assert dimension.name == "age"
    assert [(entry.label, entry.share) for entry in dimension.shares] == [("18-39", 0.4), ("40+", 0.6)]


def test_nested_cross_tabs_become_cells() -> None:
    """Labels nest in the order of the cross-tab's dimensions."""
    spec = audience(
        cross_tabs=[{"dimensions": ["gender", "age"], "shares": {"kobieta": {"18-39": 0.5}, "mężczyzna": {"40+": 0.5}}}]
    )
    assert [entry.cell for entry in spec.cross_tabs[0].shares] == [
        {"gender": "kobieta", "age": "18-39"},
        {"gender": "mężczyzna", "age": "40+"},
    ]


def test_rows_of_respondents_become_a_table() -> None:
    """Rows may lack labels, and weights; a dimension may not be called weight when it holds numbers."""
    table = audience(
        dimensions=[], respondents=[{"gender": "kobieta", "age": "40+", "weight": 1.5}, {"age": "18-39"}]
    ).respondents
    assert table is not None
    assert table.dimensions == ("age", "gender")
    assert table.rows == (("40+", "kobieta"), ("18-39", None))
    assert table.weights == (1.5, 1.0)


def test_an_audience_survives_storage_that_sorts_keys() -> None:
    """A jsonb column keeps lists but sorts the keys of objects: nothing hangs on those."""
    spec = audience(
        dimensions={"z": {"old": 0.5, "new": 0.5}, "a": {"y": 0.25, "x": 0.75}},
        cross_tabs=[{"dimensions": ["z", "a"], "shares": {"old": {"x": 0.5}, "new": {"y": 0.25, "x": 0.25}}}],
        respondents=[{"z": "old", "a": "x"}],
    )
    stored = json.dumps(spec.model_dump(mode="json"), sort_keys=True)
    assert AudienceSpec.model_validate(json.loads(stored)) == spec


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ([], ["audience"]),
        ({"name": ""}, ["audience.name"]),
        ({"name": "x" * 201}, ["audience.name"]),
        ({"name": "x", "description": "x" * 2001}, ["audience.description"]),
        ({"name": "x", "colour": "red"}, ["audience.colour"]),
        ({"name": "x", "dimensions": {"age": {"a": "0.5", "b": 0.5}}}, ["audience.dimensions[0].shares[0].share"]),
        ({"name": "x", "dimensions": {"age": {"a": math.nan, "b": 0.5}}}, ["audience.dimensions[0].shares[0].share"]),
        ({"name": "x", "dimensions": [{"name": "age"}]}, ["audience.dimensions[0].shares"]),
        ({"name": "x", "dimensions": {"age": {True: 0.5, "b": 0.5}}}, ["audience.dimensions[0].shares[0].label"]),
        ({"name": "x", "respondents": ["nobody"]}, ["audience.respondents"]),
        ({"name": "x", "respondents": [{"age": 34}]}, ["audience.respondents.rows[0][0]"]),
        ({"name": "x", "sources": [{"title": "t", "publisher": "p", "year": "2021"}]}, ["audience.sources[0].year"]),
        ({"name": 1, "sources": 2, "cross_tabs": 3}, ["audience.name", "audience.sources", "audience.cross_tabs"]),
    ],
    ids=["no object", "no name", "long name", "long description", "unknown field", "text for a number", "no number",
         "no shares", "yes for a label", "rows that are none", "number for a label", "text for a year", "several"],
)  # fmt: skip
def test_what_cannot_be_read_names_its_field(data: object, fields: list[str]) -> None:
    """Nothing is converted silently, and all mistakes of form are named at once."""
    assert refused(data) == fields


def test_paths_quote_what_is_no_name() -> None:
    """A part that is not a plain name is quoted."""
    assert field_path("audience", ("cell", 0, "płeć i wiek")) == 'audience.cell[0]["płeć i wiek"]'
