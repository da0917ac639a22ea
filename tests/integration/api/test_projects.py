"""Tests of the project routes."""

from __future__ import annotations

from typing import Any

from common.ids import new_id
from tests.fixtures.api import Api


def test_a_project_can_be_made_read_changed_listed_and_deleted(api: Api) -> None:
    """A project lives through all its routes, and a deletion can be taken back."""
    made = api.post("/projects", {"name": "Coffee", "description": "Beans"})
    assert made.status_code == 201
    path = made.headers["Location"].removeprefix("/api/v1")
    assert api.read(path) == made.json
    changed: Any = api.patch(path, {"name": "Tea"}).json
    assert (changed["name"], changed["description"]) == ("Tea", "Beans")
    assert api.read("/projects") == {"items": [changed], "next_cursor": None}
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert api.post(f"{path}:undelete").json == changed


def test_pages_follow_each_other_without_gaps(api: Api) -> None:
    """Following `next_cursor` lists every project once, newest first."""
    ids = [api.project() for _ in range(5)]
    page = api.read("/projects?limit=2")
    found = page["items"]
    while page["next_cursor"]:
        page = api.read(f"/projects?limit=2&cursor={page['next_cursor']}")
        found += page["items"]
    assert [project["id"] for project in found] == ids[::-1]


def test_a_project_that_does_not_exist_is_named(api: Api) -> None:
    """The problem of a foreign id names the parameter it came in."""
    problem: Any = api.get(f"/projects/{new_id()}").json
    assert (problem["status"], problem["code"]) == (404, "project_not_found")
    assert [error["field"] for error in problem["errors"]] == ["project_id"]
