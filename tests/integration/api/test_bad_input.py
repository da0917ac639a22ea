"""Whatever is wrong with a request, the answer is a problem that names the field, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from common.ids import new_id
from tests.fixtures.api import Api

AGE = {"18-39": 0.4, "40+": 0.6}
GENDER = {"female": 0.5, "male": 0.5}
ADULTS: dict[str, Any] = {"name": "Adults", "dimensions": {"age": AGE, "gender": GENDER}}
ELSEWHERE = str(new_id())


def with_cross_tab(dimensions: list[str], shares: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The audience with a cross-tab."""
    return ADULTS | {"cross_tabs": [{"dimensions": dimensions, "shares": shares}]}


PANELS: list[tuple[str, dict[str, Any], str]] = [
    ("nobody", {"size": 0}, "size"),
    ("one persona", {"size": 1}, "size"),
    ("too many personas", {"size": 1001}, "size"),
    ("a count that is text", {"size": "20"}, "size"),
    ("a count that is not whole", {"size": 2.5}, "size"),
    ("no audience", {"audience": None}, "audience"),
    ("two audiences", {"audience_slug": "poland-adults"}, "audience_slug"),
    ("a slug that does not exist", {"audience": None, "audience_slug": "atlantis"}, "audience_slug"),
    ("an audience that does not exist", {"audience": None, "audience_id": ELSEWHERE}, "audience_id"),
    ("an id that is none", {"audience": None, "audience_id": "42"}, "audience_id"),
    (
        "shares that sum to 0.9",
        {"audience": {"name": "Adults", "dimensions": {"age": {"18-39": 0.4, "40+": 0.5}}}},
        "audience.dimensions[0].shares",
    ),
    (
        "a negative share",
        {"audience": {"name": "Adults", "dimensions": {"age": {"18-39": -0.1, "40+": 1.1}}}},
        "audience.dimensions[0].shares[0].share",
    ),
    (
        "a share that is text",
        {"audience": {"name": "Adults", "dimensions": {"age": {"18-39": "0.4", "40+": 0.6}}}},
        "audience.dimensions[0].shares[0].share",
    ),
    (
        "an unknown dimension",
        {"audience": with_cross_tab(["age", "income"], {"18-39": {"low": 0.4}, "40+": {"low": 0.6}})},
        "audience.cross_tabs[0].dimensions[1]",
    ),
    (
        "a contradictory cross-tab",
        {"audience": with_cross_tab(["age", "gender"], {"18-39": {"female": 0.9}, "40+": {"male": 0.1}})},
        "audience.cross_tabs[0].shares",
    ),
    ("a name that is too long", {"audience": ADULTS | {"name": "x" * 201}}, "audience.name"),
    ("an unknown field", {"colour": "red"}, "colour"),
    ("a budget of nothing", {"budget_usd": 0}, "budget_usd"),
    ("a negative seed", {"seed": -1}, "seed"),
    ("a language that is none", {"language": "po/lish"}, "language"),
]

GROUPS: list[tuple[str, dict[str, Any], str]] = [
    ("no questions", {"questions": []}, "questions"),
    ("an empty question", {"questions": ["Why?", "  "]}, "questions[1]"),
    ("a question of 10,000 characters", {"questions": ["x" * 10_000]}, "questions[0]"),
    ("a question that is no text", {"questions": [7]}, "questions[0]"),
    ("too many questions", {"questions": ["Why?"] * 51}, "questions"),
    ("nobody", {"persona_ids": []}, "persona_ids"),
    ("one persona", {"persona_ids": [ELSEWHERE]}, "persona_ids"),
    ("too many personas", {"persona_ids": [str(new_id()) for _ in range(1001)]}, "persona_ids"),
    ("personas of elsewhere", {"persona_ids": [ELSEWHERE, str(new_id())]}, "persona_ids[0]"),
    ("a panel of elsewhere", {"panel_job_id": ELSEWHERE, "persona_ids": None}, "panel_job_id"),
    ("an unknown mode", {"mode": "quarrel"}, "mode"),
    ("no name", {"name": ""}, "name"),
]


def check_refused(api: Api, path: str, body: Any, field: str) -> None:
    """Fails unless the request is refused for the field and leaves every table as it was."""
    before = api.row_counts()
    response = api.post(path, body, Idempotency_Key="once")
    problem: Any = response.get_json(force=True)
    assert (response.status_code, response.mimetype) == (422, "application/problem+json"), problem
    named = [error["field"] for error in problem["errors"]]
    assert any(each == field or each.startswith((f"{field}.", f"{field}[")) for each in named), problem
    assert api.row_counts() == before
    assert api.bus.published == []


def test_a_panel_that_cannot_be(api: Api, subtests: pytest.Subtests) -> None:
    """422 names the field, and neither a job nor anything else is written."""
    path = f"/projects/{api.project()}/personas:generate"
    for case, change, field in PANELS:
        with subtests.test(case):
            check_refused(api, path, {"audience": ADULTS, "size": 20} | change, field)


def test_a_focus_group_that_cannot_be(api: Api, subtests: pytest.Subtests) -> None:
    """422 names the field, and neither a job nor anything else is written."""
    path = f"/projects/{api.project()}/focus-groups"
    body = {"name": "Group", "questions": ["Why?"], "persona_ids": [ELSEWHERE, str(new_id())]}
    for case, change, field in GROUPS:
        with subtests.test(case):
            check_refused(api, path, body | change, field)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("personas:generate", {"audience": ADULTS, "size": 2}),
        ("focus-groups", {"name": "Group", "questions": ["Why?"], "persona_ids": [ELSEWHERE, str(new_id())]}),
    ],
)
def test_a_project_of_elsewhere(api: Api, path: str, body: Any) -> None:
    """404 names the project, and nothing is written."""
    before = api.row_counts()
    problem: Any = api.post(f"/projects/{ELSEWHERE}/{path}", body).json
    assert (problem["status"], problem["errors"][0]["field"]) == (404, "project_id")
    assert api.row_counts() == before


def test_an_idempotency_key_that_is_none(api: Api, subtests: pytest.Subtests) -> None:
    """422 names the header."""
    path = f"/projects/{api.project()}/personas:generate"
    for key in ("", " ", "x" * 201, "zażółć"):
        with subtests.test(key[:3]):
            problem: Any = api.post(path, {"audience": ADULTS, "size": 2}, Idempotency_Key=key).json
            assert [error["field"] for error in problem["errors"]] == ["Idempotency-Key"]


def test_what_postgres_cannot_keep_is_replaced(api: Api) -> None:
    """A NUL in a name, a filter or an audience fails nothing."""
    made: Any = api.post("/projects", {"name": "Cof\x00fee"}).json
    assert made["name"] == "Cof\ufffdfee"
    audience = {"name": "Ad\x00ults", "dimensions": {"age": {"18\x00-39": 0.4, "40+": 0.6}}}
    assert api.post(f"/projects/{made['id']}/audiences", {"audience": audience}).status_code == 201
    assert api.read(f"/projects/{made['id']}/personas?search=%00&segment=age:x")["items"] == []
    assert api.get(f"/projects/{made['id']}/personas?segment=age:%00").status_code == 422
