"""Tests of the audience routes."""

from __future__ import annotations

from typing import Any

from common.ids import new_id
from tests.fixtures.api import Api

ADULTS = {
    "name": "Adults",
    "dimensions": {"age": {"18-39": 0.4, "40+": 0.6}, "gender": {"female": 0.5, "male": 0.5}},
}


def test_an_audience_is_kept_with_a_preview(api: Api) -> None:
    """What is kept is what was described, labels in order, and the preview seats everybody."""
    project = api.project()
    added = api.post(f"/projects/{project}/audiences", {"audience": ADULTS, "size": 10})
    assert added.status_code == 201
    shown: Any = added.json
    ages = shown["preview"]["dimensions"][0]
    assert [(label["label"], label["produced"]) for label in ages["labels"]] == [("18-39", 4), ("40+", 6)]
    kept = api.read(added.headers["Location"].removeprefix("/api/v1"))
    assert [share["label"] for share in kept["spec"]["dimensions"][0]["shares"]] == ["18-39", "40+"]
    assert api.read(f"/projects/{project}/audiences")["items"] == [
        {name: kept[name] for name in ("id", "project_id", "name", "dimensions", "created_at")}
    ]


def test_an_audience_of_respondents_alone_has_their_dimensions(api: Api) -> None:
    """Dimensions come from the table where none are given."""
    rows = [{"age": "18-39", "gender": "female"}, {"age": "40+", "gender": "male"}]
    project = api.project()
    added: Any = api.post(f"/projects/{project}/audiences", {"audience": {"name": "Panel", "respondents": rows}}).json
    assert added["dimensions"] == ["age", "gender"]


def test_deleting_an_audience_can_be_taken_back(api: Api) -> None:
    """A deleted audience is gone until the deletion is undone."""
    added: Any = api.post(f"/projects/{api.project()}/audiences", {"audience": ADULTS}).json
    path = f"/audiences/{added['id']}"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert api.get(path).status_code == 404
    assert api.post(f"{path}:undelete").status_code == 200
    assert api.read(path)["name"] == "Adults"


def test_the_catalogue_is_listed_and_read_by_slug(api: Api) -> None:
    """Every audience that comes with Sight can be read, with its sources, and previewed."""
    entries = api.read("/catalogue/audiences")["items"]
    assert "poland-adults" in {entry["slug"] for entry in entries}
    poland = api.read("/catalogue/audiences/poland-adults")
    assert poland["spec"]["sources"]
    fit: Any = api.post("/audiences:preview", {"audience_slug": "poland-adults", "size": 50}).json
    assert fit["overall"]["within_one_seat"]


def test_a_slug_that_does_not_exist_is_named(api: Api) -> None:
    """The problem names the part of the path."""
    problem: Any = api.get("/catalogue/audiences/atlantis").json
    assert (problem["status"], problem["errors"][0]["field"]) == (404, "slug")


def test_nothing_is_kept_in_a_project_that_does_not_exist(api: Api) -> None:
    """The problem names the project, and no audience is written."""
    problem: Any = api.post(f"/projects/{new_id()}/audiences", {"audience": ADULTS}).json
    assert (problem["status"], problem["errors"][0]["field"]) == (404, "project_id")
    assert api.sql("SELECT count(*) FROM audiences") == [(0,)]
