"""Every error has one shape: problem details as RFC 9457 has them, with the members Sight promises."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import EnvironBuilder, TestResponse

from common.bus.port import BusUnavailable
from common.ids import new_id
from common.projects import store
from functions.api.problems import Problem
from tests.fixtures.api import Api

MEMBERS = {"type", "title", "status", "detail", "code", "instance", "errors"}


def problem_of(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem in a response, after checking its shape."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    found: dict[str, Any] | None = response.get_json(force=True)
    assert found is not None
    assert set(found) >= MEMBERS
    problem = Problem.model_validate(found)
    assert problem.status == status
    assert problem.type == f"urn:sight:problem:{problem.code}"
    assert problem.title
    assert problem.detail
    assert problem.instance.startswith("/")
    return found


def test_an_unknown_path(api: Api, subtests: pytest.Subtests) -> None:
    """404 whether the path is under the API or not, and for an id that is no UUID."""
    for path in ("/nowhere", "/api/v1/nowhere", "/api/v1/projects/42", "/docs/nothing.js"):
        with subtests.test(path):
            assert problem_of(api.client.get(path), 404)["code"] == "no_such_path"


def test_a_method_the_path_does_not_take(api: Api) -> None:
    """405 says which methods there are."""
    response = api.ask("PUT", "/api/v1/projects")
    assert problem_of(response, 405)["code"] == "method_not_allowed"
    assert {"GET", "POST"} <= set(response.allow)


def test_a_body_that_is_not_a_json_object(api: Api, subtests: pytest.Subtests) -> None:
    """400 names the body, whatever is wrong with it."""
    for body in (
        b"{",
        b"name=Coffee",
        b"[]",
        b"null",
        b'"text"',
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b"\xff\xfe",
        b'{"name":' + b"[" * 100_000,
        b'{"name": ' + b"9" * 10_000 + b"}",
    ):
        with subtests.test(repr(body[:20])):
            response = api.client.post("/api/v1/projects", data=body, content_type="application/json")
            problem = problem_of(response, 400)
            assert problem["code"] == "malformed"
            assert [error["field"] for error in problem["errors"]] == ["body"]


def test_a_body_of_another_type(api: Api) -> None:
    """415 names the header: a form of another site cannot start anything."""
    response = api.client.post("/api/v1/projects", data=b'{"name": "Coffee"}', content_type="text/plain")
    assert [error["field"] for error in problem_of(response, 415)["errors"]] == ["Content-Type"]


def test_a_body_over_the_limit(api: Api) -> None:
    """413 names the body, whether its length is announced or not."""
    for body in (b'{"name": "' + b"x" * 1_000_000 + b'"}', b"x" * 1_000_001, b"x" * 3_000_000):
        announced = api.client.post("/api/v1/projects", data=body, content_type="application/json")
        assert [error["field"] for error in problem_of(announced, 413)["errors"]] == ["body"]
        assert [error["field"] for error in problem_of(send_chunked(api, body), 413)["errors"]] == ["body"]
    longest = b'{"name": "Coffee"}'.ljust(1_000_000)
    assert send_chunked(api, longest).status_code == 201


def send_chunked(api: Api, body: bytes) -> TestResponse:
    """Posts a body as a server passes it on that came in chunks, without its length."""
    environ = EnvironBuilder(
        "/api/v1/projects", method="POST", data=body, content_type="application/json"
    ).get_environ()
    del environ["CONTENT_LENGTH"]
    environ["wsgi.input_terminated"] = True
    return api.client.open(environ)


def test_fields_that_are_wrong(api: Api) -> None:
    """422 names every field."""
    response = api.post("/projects", {"name": "", "description": 5, "colour": "red"})
    fields = {error["field"] for error in problem_of(response, 422)["errors"]}
    assert fields == {"name", "description", "colour"}


def test_query_parameters_that_are_wrong(api: Api) -> None:
    """422 names the parameter, an unknown one too."""
    fields = {error["field"] for error in problem_of(api.get("/projects?limit=0&colour=red"), 422)["errors"]}
    assert fields == {"limit", "colour"}


def test_no_key(guarded: Api) -> None:
    """401 says how to authenticate."""
    response = guarded.get("/projects")
    problem_of(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_does_not_exist(api: Api) -> None:
    """404 names the parameter of the path that holds the id."""
    problem = problem_of(api.get(f"/jobs/{new_id()}"), 404)
    assert problem["code"] == "job_not_found"
    assert [error["field"] for error in problem["errors"]] == ["job_id"]


@pytest.mark.parametrize(
    "error",
    [
        BusUnavailable("the bus is down", retry_after=1.5),
        OperationalError("SELECT secret", {}, Exception("down")),
    ],
)
def test_a_dependency_that_is_down(api: Api, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 says when to come again."""
    monkeypatch.setattr(store, "get", _raises(error))
    response = api.get(f"/projects/{new_id()}")
    problem_of(response, 503)
    assert int(response.headers["Retry-After"]) >= 1
    assert b"secret" not in response.data


def test_an_unexpected_error_tells_nothing_of_the_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 has the shape of every other problem and leaks nothing."""
    monkeypatch.setattr(store, "get", _raises(RuntimeError("the password is hunter2")))
    response = api.get(f"/projects/{new_id()}")
    assert problem_of(response, 500)["code"] == "internal"
    assert b"hunter2" not in response.data


def _raises(error: Exception) -> Any:
    def fail(*_args: Any) -> Any:
        raise error

    return fail
