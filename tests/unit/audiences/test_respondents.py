"""Panels from a table of respondents: its labels, its combinations, and fitting it to published shares."""

from __future__ import annotations

from typing import Any

import pytest

from common.audiences.panel import draw_panel
from common.audiences.preparation import check, prepare
from common.errors import InvalidInput
from tests.unit.audiences.audiences import audience, counted

ROWS: list[dict[str, Any]] = [
    {"age": "9 to 17", "gender": "f", "plan": "free"},
    {"age": "18 to 39", "gender": "m", "plan": "free"},
    {"age": "18 to 39", "gender": "f", "plan": "paid"},
    {"age": "100 and over", "gender": "m", "plan": "paid", "weight": 2.0},
]


def refused(**changes: Any) -> list[str]:
    """The fields that are wrong with an audience of these changes."""
    with pytest.raises(InvalidInput) as caught:
        check(audience(**changes))
    return [error.field for error in caught.value.errors]


def test_shares_are_those_of_the_table() -> None:
    """Labels are in natural order, and weights count."""
    prepared = prepare(audience(dimensions=[], respondents=ROWS))
    assert prepared.names == ("age", "gender", "plan")
    assert prepared.labels[0] == ("9 to 17", "18 to 39", "100 and over")
    assert prepared.margins[0].shares == pytest.approx([0.2, 0.4, 0.4])


@pytest.mark.parametrize("size", [1, 3, 5, 12, 50])
def test_seats_combine_labels_as_respondents_do(size: int) -> None:
    """What nobody reported is in no seat, and every label fits."""
    panel = draw_panel(audience(dimensions=[], respondents=ROWS), size, 3)
    seen = {(row["age"], row["gender"], row["plan"]) for row in ROWS}
    assert set(counted(panel, "age", "gender", "plan")) <= seen
    assert panel.fit.overall.within_one_seat
    assert panel.fit.notes == ()


def test_combinations_nobody_reported_are_counted_where_they_are_needed() -> None:
    """Two seats with each label once cannot be had from these four respondents: labels win, and a note tells."""
    rows = [dict(zip("xyz", labels, strict=True)) for labels in ("000", "011", "101", "110")]
    panel = draw_panel(audience(dimensions=[], respondents=rows), 2, 1)
    assert panel.fit.overall.within_one_seat
    assert panel.fit.notes == ("1 seats combine labels as no respondent did",)


@pytest.mark.parametrize("weight", [1e308, 1e31, 1e-31, 1e-320])
@pytest.mark.parametrize("fitted", [False, True])
def test_a_weight_that_sums_and_quotients_cannot_hold_is_refused(weight: float, fitted: bool) -> None:
    """Whether shares come from the table or beside it, the fields of such weights are named."""
    rows = [{"age": "young"}, {"age": "old", "weight": weight}, {"age": "old", "weight": weight}]
    dimensions = [{"name": "age", "shares": {"young": 0.5, "old": 0.5}}] if fitted else []
    wrong = refused(dimensions=dimensions, respondents=rows)
    assert wrong == ["audience.respondents.weights[1]", "audience.respondents.weights[2]"]


@pytest.mark.parametrize("weights", [(1e-30, 1e30), (1e30, 1e30), (1e-30, 1e-30)])
def test_the_widest_weights_make_a_panel(weights: tuple[float, float]) -> None:
    """At the limits every number on the way is still finite."""
    rows = [
        {"age": age, "plan": plan, "weight": weight}
        for age, weight in zip(("young", "old"), weights, strict=True)
        for plan in ("free", "paid", None)
    ]
    assert draw_panel(audience(dimensions=[], respondents=rows), 10, 1).fit.overall.within_one_seat


def test_unknown_labels_count_only_where_they_are_known() -> None:
    """A respondent with a gap counts in the shares of what is known; its combinations are those of complete rows, and
    a note tells how many such respondents there are."""
    prepared = prepare(audience(dimensions=[], respondents=[*ROWS, {"age": "18 to 39", "plan": "free"}]))
    assert prepared.margins[0].shares == pytest.approx([1 / 6, 3 / 6, 2 / 6])
    assert prepared.margins[1].shares == pytest.approx([2 / 5, 3 / 5])
    assert prepared.notes == ("1 respondents have unknown labels: their gaps were filled as complete rows are",)
    (clique,) = prepared.cliques
    assert clique.cells.tolist() == [[0, 0, 0], [1, 0, 0], [1, 0, 1], [1, 1, 0], [2, 1, 1]]


def test_a_table_is_fitted_to_published_shares() -> None:
    """Given dimensions as well, the table tells how labels combine and the shares how many there are."""
    spec = audience(
        dimensions={
            "age": {"9 to 17": 0.1, "18 to 39": 0.4, "100 and over": 0.5},
            "gender": {"f": 0.3, "m": 0.7},
            "plan": {"free": 0.3, "paid": 0.7},
            "town": {"yes": 0.5, "no": 0.5},
        },
        respondents=ROWS,
    )
    panel = draw_panel(spec, 20, 1)
    assert counted(panel, "age", "gender", "plan") == {
        ("9 to 17", "f", "free"): 2,
        ("18 to 39", "m", "free"): 4,
        ("18 to 39", "f", "paid"): 4,
        ("100 and over", "m", "paid"): 10,
    }
    assert counted(panel, "town") == {("yes",): 10, ("no",): 10}


def test_shares_that_no_mix_of_respondents_has_are_refused() -> None:
    """All the old are men: more old people than men cannot be fitted."""
    assert refused(
        dimensions={"age": {"9 to 17": 0.1, "18 to 39": 0.1, "100 and over": 0.8}, "gender": {"f": 0.5, "m": 0.5}},
        respondents=[{key: value for key, value in row.items() if key != "plan"} for row in ROWS],
    )[0].startswith("audience.dimensions[")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"respondents": []}, ["audience.respondents.rows"]),
        ({"respondents": [{"age": "40+"}, {"age": "40+"}], "dimensions": []}, ["audience.respondents.dimensions[0]"]),
        ({"respondents": [{"age": "40+"}, {"age": " "}], "dimensions": []}, ["audience.respondents.dimensions[0]"]),
        ({"respondents": [{"age": "40+", "plan": "free"}]}, ["audience.respondents.dimensions[1]"]),
        ({"respondents": [{"age": "40+"}, {"age": "90+"}]}, ["audience.respondents.rows[1][0]"]),
        ({"respondents": [{"age": "40+", "weight": 0}]}, ["audience.respondents.weights[0]"]),
        ({"respondents": [{"age": "40+"}]}, ["audience.respondents.rows"]),
        (
            {"respondents": {"dimensions": ["age"], "rows": [["40+"], []], "weights": [1.0]}},
            ["audience.respondents.rows[1]", "audience.respondents.weights"],
        ),
    ],
    ids=["nobody", "one label", "blank label", "unknown dimension", "unknown label", "no weight", "label of nobody",
         "uneven"],
)  # fmt: skip
def test_tables_that_make_no_sense_are_refused(changes: dict[str, Any], fields: list[str]) -> None:
    """Each mistake in a table names its field."""
    assert refused(**changes) == fields
