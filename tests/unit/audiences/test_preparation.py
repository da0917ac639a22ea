"""What is wrong with an audience is refused, all of it at once, by the name of its field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.audiences.models import AudienceSpec
from common.audiences.preparation import check, prepare
from common.errors import InvalidInput
from tests.unit.audiences.audiences import audience, from_joint

AGE_AND_GENDER = {"18-39": {"kobieta": 0.2, "mężczyzna": 0.2}, "40+": {"kobieta": 0.32, "mężczyzna": 0.28}}


def refused(**changes: Any) -> dict[str, str]:
    """The errors of an audience with these changes, by field."""
    with pytest.raises(InvalidInput) as caught:
        check(audience(**changes))
    return {error.field: error.message for error in caught.value.errors}


def cross_tab(shares: Any, *dimensions: str) -> dict[str, Any]:
    """One cross-tab as people write it."""
    return {"dimensions": list(dimensions or ("age", "gender")), "shares": shares}


def test_an_audience_that_makes_sense_passes() -> None:
    """Dimensions with cross-tabs that agree are accepted."""
    check(audience(cross_tabs=[cross_tab(AGE_AND_GENDER)]))


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        ({"a": 0.5, "b": 0.494}, "audience.dimensions[0].shares"),
        ({"a": 0.5, "b": 0.506}, "audience.dimensions[0].shares"),
        ({"a": -0.1, "b": 1.1}, "audience.dimensions[0].shares[0].share"),
        ({"a": 1.0}, "audience.dimensions[0].shares"),
        ({"": 0.5, "b": 0.5}, "audience.dimensions[0].shares[0].label"),
        ({"a": 0.5, "  ": 0.5}, "audience.dimensions[0].shares[1].label"),
        ([{"label": "a", "share": 0.5}, {"label": "a", "share": 0.5}], "audience.dimensions[0].shares[1].label"),
        ({f"label {number}": 1 / 61 for number in range(61)}, "audience.dimensions[0].shares"),
        ({"a": 0.0, "b": 0.0}, "audience.dimensions[0].shares"),
    ],
    ids=["too little", "too much", "negative", "one label", "empty", "blank", "twice", "61 labels", "nothing"],
)
def test_shares_that_make_no_sense_are_refused(shares: Any, field: str) -> None:
    """Each mistake in a dimension names its field."""
    assert list(refused(dimensions=[{"name": "age", "shares": shares}])) == [field]


def test_shares_in_per_cent_are_recognised() -> None:
    """The commonest mistake gets a hint."""
    assert "percentages" in refused(dimensions={"age": {"a": 40, "b": 60}})["audience.dimensions[0].shares"]


def test_rounded_shares_are_normalised() -> None:
    """Shares that are off by no more than 0.5 % are scaled to 1."""
    spec = audience(dimensions={"age": {"a": 0.333, "b": 0.333, "c": 0.331}})
    assert prepare(spec).margins[0].shares.sum() == pytest.approx(1.0)


def test_everything_wrong_is_named_at_once() -> None:
    """A caller hears of all mistakes, not of the first."""
    assert list(
        refused(
            dimensions=[
                {"name": "age", "shares": {"a": 0.5, "b": 0.6}},
                {"name": "", "shares": {"a": -1.0, "b": 2.0}},
                {"name": "age", "shares": {"a": 0.5, "b": 0.5}},
            ]
        )
    ) == [
        "audience.dimensions[2].name",
        "audience.dimensions[0].shares",
        "audience.dimensions[1].name",
        "audience.dimensions[1].shares[0].share",
    ]


def test_no_dimensions_or_too_many_are_refused() -> None:
    """An audience has from 1 to 12 dimensions."""
    assert list(refused(dimensions=[])) == ["audience.dimensions"]
    many = {f"d{number}": {"a": 0.5, "b": 0.5} for number in range(13)}
    assert list(refused(dimensions=many)) == ["audience.dimensions"]


@pytest.mark.parametrize(
    ("described", "field"),
    [
        (cross_tab({"a": {"b": 1.0}}, "age", "income"), "audience.cross_tabs[0].dimensions[1]"),
        (cross_tab({"18-39": {"18-39": 1.0}}, "age", "age"), "audience.cross_tabs[0].dimensions[1]"),
        (cross_tab({"18-39": 0.4, "40+": 0.6}, "age"), "audience.cross_tabs[0].dimensions"),
        (
            cross_tab({"18-39": {"kobieta": 0.4, "inna": 0.1}, "40+": {"kobieta": 0.5}}),
            "audience.cross_tabs[0].shares[1].cell",
        ),
        (cross_tab([{"cell": {"age": "40+"}, "share": 1.0}]), "audience.cross_tabs[0].shares[0].cell"),
        (cross_tab({"18-39": {"kobieta": 0.4}, "40+": {"kobieta": 0.5}}), "audience.cross_tabs[0].shares"),
        (
            cross_tab({"18-39": {"kobieta": -0.4}, "40+": {"kobieta": 1.4}}),
            "audience.cross_tabs[0].shares[0].share",
        ),
        (
            cross_tab([{"cell": {"age": "40+", "gender": "kobieta"}, "share": 0.5}] * 2),
            "audience.cross_tabs[0].shares[1].cell",
        ),
    ],
    ids=["no such dimension", "dimension twice", "one dimension", "no such label", "half a cell", "sum", "negative",
         "cell twice"],
)  # fmt: skip
def test_cross_tabs_that_cannot_be_read_are_refused(described: dict[str, Any], field: str) -> None:
    """Each mistake in a cross-tab names its field."""
    assert list(refused(cross_tabs=[described])) == [field]


def test_a_cross_tab_that_contradicts_a_dimension_is_refused() -> None:
    """The message tells both figures."""
    shares = {"18-39": {"kobieta": 0.3, "mężczyzna": 0.2}, "40+": {"kobieta": 0.22, "mężczyzna": 0.28}}
    (message,) = refused(cross_tabs=[cross_tab(shares)]).values()
    assert message == "sum to 0.5 for age = 18-39, but audience.dimensions[0].shares say 0.4"


def test_cross_tabs_that_contradict_each_other_are_refused() -> None:
    """Two cross-tabs that share two dimensions say the same of them."""
    joint = np.full((2, 2, 2), 0.125)
    spec = from_joint(joint, [(0, 1)]).model_dump(mode="json")
    tilted = np.array([[[0.2, 0.1], [0.1, 0.1]], [[0.1, 0.1], [0.1, 0.2]]])
    spec["cross_tabs"] += from_joint(tilted, [(0, 1, 2)]).model_dump(mode="json")["cross_tabs"]
    with pytest.raises(InvalidInput) as caught:
        check(AudienceSpec.model_validate(spec))
    assert [error.field for error in caught.value.errors] == ["audience.cross_tabs[1].shares"]
    assert "audience.cross_tabs[0].shares say" in caught.value.errors[0].message


def test_cross_tabs_that_agree_in_pairs_but_not_together_are_refused() -> None:
    """Two dimensions that are always the same, and a third that equals one and differs from the other: only fitting
    finds out."""
    same, different = {"a": {"a": 0.5}, "b": {"b": 0.5}}, {"a": {"b": 0.5}, "b": {"a": 0.5}}
    errors = refused(
        dimensions={name: {"a": 0.5, "b": 0.5} for name in "xyz"},
        cross_tabs=[cross_tab(same, "x", "y"), cross_tab(same, "y", "z"), cross_tab(different, "x", "z")],
    )
    ((field, message),) = errors.items()
    assert field.startswith("audience.cross_tabs[")
    assert "cannot hold together" in message


def test_a_cross_tab_that_disagrees_by_rounding_is_adjusted_and_says_so() -> None:
    """Published tables are rounded: within 0.5 % the dimensions win, and the audience notes it."""
    shares = {"18-39": {"kobieta": 0.202, "mężczyzna": 0.2}, "40+": {"kobieta": 0.318, "mężczyzna": 0.28}}
    prepared = prepare(audience(cross_tabs=[cross_tab(shares)]))
    assert prepared.adjusted == (True,)
    assert prepared.cross_tabs[0].shares.reshape(2, 2).sum(axis=1) == pytest.approx([0.4, 0.6], abs=1e-9)
    assert prepared.notes == (
        "audience.cross_tabs[0].shares disagreed with other shares by up to 0.5 % and were adjusted to them",
    )


def test_a_joint_table_beyond_the_limit_is_refused() -> None:
    """Cross-tabs that tie too many labels together name the limit."""
    labels = {f"l{number}": 1 / 60 for number in range(60)}
    diagonal = {name: {name: share} for name, share in labels.items()}
    dimensions = dict.fromkeys("wxyz", labels)
    ties = [cross_tab(diagonal, one, other) for one, other in ("wx", "xy", "yz", "wz", "wy")]
    errors = refused(dimensions=dimensions, cross_tabs=[*ties, cross_tab(diagonal, "x", "z")])
    assert errors == {
        "audience.cross_tabs": "tie w x x x y x z into one joint table of 12,960,000 cells; at most 500,000"
    }


def test_the_root_of_paths_can_be_another() -> None:
    """A caller that calls the field otherwise gets its own paths."""
    with pytest.raises(InvalidInput) as caught:
        check(audience(dimensions=[]), root="body.panel.audience")
    assert caught.value.errors[0].field == "body.panel.audience.dimensions"
