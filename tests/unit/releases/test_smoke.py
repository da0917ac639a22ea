"""The smoke test of a new revision, on a server that plays one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.releases.smoke import HttpSmokeTest
from tests.fixtures.serving import Asked, Said, serving

PATHS = ("/health", "/docs")
SILENCE = 0
"""The status of an answer that never comes: the connection is closed."""

JOB = {"id": "j1", "state": "completed", "finished_at": "2026-11-24T12:00:00Z", "reasons": []}
FINE: dict[str, list[tuple[int, Any]]] = {
    "GET /health": [(200, {"status": "healthy"})],
    "GET /docs": [(200, "<html>")],
    "POST /api/v1/projects": [(201, {"id": "p1"})],
    "POST /api/v1/projects/p1/personas:generate": [(202, JOB | {"finished_at": None, "state": "running"})],
    "GET /api/v1/jobs/j1": [(200, JOB | {"finished_at": None, "state": "running"}), (200, JOB)],
    "DELETE /api/v1/projects/p1": [(204, "")],
}


@dataclass
class Played:
    """A revision: what it answers to each request in turn, the last for ever, and what it was asked."""

    answers: dict[str, list[tuple[int, Any]]]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def answer(self, asked: str, headers: dict[str, str]) -> Said:
        """The next answer to this."""
        self.asked.append(asked)
        self.headers.append(headers)
        queue = self.answers.get(asked, [(404, "")])
        status, body = queue.pop(0) if len(queue) > 1 else queue[0]
        if status == SILENCE:
            raise ConnectionAbortedError
        return Said(body, status)


@pytest.fixture
def played() -> Iterator[Played]:
    """A revision that is fine."""
    revision = Played({asked: list(answers) for asked, answers in FINE.items()})

    def answer(asked: Asked) -> Said:
        return revision.answer(f"{asked.method} {asked.path}", dict(asked.headers.items()))

    with serving(answer) as revision.url:
        yield revision


def smoke_test(api_key: str | None = None) -> HttpSmokeTest:
    """A smoke test of little patience."""
    return HttpSmokeTest(api_key, patience=1.5, job_seconds=0.3, pause=0.01)


def test_a_revision_that_is_fine_passes(played: Played) -> None:
    """Every path answers, a panel is made to its end, and nothing of it is left behind."""
    found = smoke_test("secret")(played.url + "/", "api-2", paths=PATHS, job=True)
    assert found.passed
    assert found.detail == "/health, /docs and a panel of two went well"
    assert played.asked[-1] == "DELETE /api/v1/projects/p1"
    assert {headers["Authorization"] for headers in played.headers} == {"Bearer secret"}
    keys = [headers["Idempotency-Key"] for headers in played.headers if "Idempotency-Key" in headers]
    assert len(keys) == 1


def test_paths_alone_are_enough_where_no_job_is_asked_for(played: Played) -> None:
    """For services that are not the API."""
    found = smoke_test()(played.url, "api-2", paths=("/health",), job=False)
    assert found.passed
    assert played.asked == ["GET /health"]
    assert "Authorization" not in played.headers[0]


@pytest.mark.parametrize(
    ("asked", "answers", "detail"),
    [
        ("GET /docs", [(404, "")], "GET /docs answered 404"),
        ("GET /docs", [(302, "")], "GET /docs answered 302"),
        ("GET /health", [(503, "")], "GET /health answered 503"),
        ("POST /api/v1/projects", [(500, "")], "POST /api/v1/projects answered 500"),
        ("POST /api/v1/projects", [(201, "<html>")], "an answer of the API is not of its contract: 'id'"),
        (
            "GET /api/v1/jobs/j1",
            [(200, JOB | {"state": "failed", "reasons": [{"code": "model", "detail": "the model is away"}]})],
            "a panel of two ended failed: the model is away",
        ),
        ("GET /api/v1/jobs/j1", [(200, JOB | {"finished_at": None})], "a panel of two was not made in 0 s"),
    ],
)
def test_what_fails_is_named(played: Played, asked: str, answers: list[tuple[int, Any]], detail: str) -> None:
    """The first thing of all that does."""
    played.answers[asked] = answers
    found = smoke_test()(played.url, "api-2", paths=PATHS, job=True)
    assert (found.passed, found.detail) == (False, detail)
    made = "POST /api/v1/projects/p1/personas:generate" in played.asked
    assert ("DELETE /api/v1/projects/p1" in played.asked) == made


@pytest.mark.parametrize("status", [401, 403])
def test_a_test_without_the_right_key_judges_nothing(played: Played, status: int) -> None:
    """It is not the revision that is wrong."""
    played.answers["POST /api/v1/projects"] = [(status, "")]
    found = smoke_test("old")(played.url, "api-2", paths=PATHS, job=True)
    assert (found.passed, found.judges) == (False, False)
    played.answers["POST /api/v1/projects"] = [(404, "")]
    assert smoke_test("old")(played.url, "api-2", paths=PATHS, job=True).judges


def test_an_answer_that_makes_no_sense_leaves_nothing_behind(played: Played) -> None:
    """The project that was made is deleted whatever comes after it."""
    played.answers["GET /api/v1/jobs/j1"] = [(200, "[]")]
    found = smoke_test()(played.url, "api-2", paths=PATHS, job=True)
    assert found.detail == "an answer of the API is not of its contract: 'finished_at'"
    assert played.asked[-1] == "DELETE /api/v1/projects/p1"


def test_an_instance_that_is_just_starting_is_waited_for(played: Played) -> None:
    """And so is a job that is accepted late; a project that was made is asked for once, or there might be two."""
    played.answers["GET /health"] = [(503, ""), (429, ""), (200, "")]
    played.answers["POST /api/v1/projects/p1/personas:generate"].insert(0, (503, ""))
    assert smoke_test()(played.url, "api-2", paths=PATHS, job=True).passed
    assert played.asked.count("POST /api/v1/projects") == 1


def test_cleaning_up_does_not_hide_what_failed(played: Played) -> None:
    """What failed first is what there is to tell."""
    played.answers["GET /api/v1/jobs/j1"] = [(404, "")]
    played.answers["DELETE /api/v1/projects/p1"] = [(500, "")]
    assert smoke_test()(played.url, "api-2", paths=PATHS, job=True).detail == "GET /api/v1/jobs/j1 answered 404"


@pytest.mark.parametrize(("status", "body"), [(429, ""), (503, {"code": "unavailable"}), (SILENCE, "")])
def test_a_project_that_is_turned_away_is_asked_for_again(played: Played, status: int, body: Any) -> None:
    """One bad moment of a good revision marks it failed no more than it would a user's request."""
    played.answers["POST /api/v1/projects"].insert(0, (status, body))
    assert smoke_test()(played.url, "api-2", paths=PATHS, job=True).passed
    assert played.asked.count("POST /api/v1/projects") == 2


def test_a_project_that_is_turned_away_for_as_long_as_there_is_patience_fails(played: Played) -> None:
    """A revision that takes no requests is not one to release; and one that breaks is not asked to break twice."""
    played.answers["POST /api/v1/projects"] = [(503, "")]
    found = smoke_test()(played.url, "api-2", paths=PATHS, job=True)
    assert (found.passed, found.detail) == (False, "POST /api/v1/projects answered 503")
    played.asked.clear()
    played.answers["POST /api/v1/projects"] = [(500, "")]
    assert not smoke_test()(played.url, "api-2", paths=PATHS, job=True).passed
    assert played.asked.count("POST /api/v1/projects") == 1


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        ([(503, ""), (404, {"code": "project_not_found"})], []),
        ([(SILENCE, ""), (404, {"code": "project_not_found"})], []),
        ([(500, "")], ["DELETE /api/v1/projects/p1 answered 500"]),
        ([(403, "")], ["DELETE /api/v1/projects/p1 answered 403"]),
    ],
)
def test_tidying_up_is_no_verdict(played: Played, answers: list[tuple[int, Any]], left: list[str]) -> None:
    """A revision that made its panel passes, whatever becomes of the project; the log says which was left."""
    played.answers["DELETE /api/v1/projects/p1"] = answers
    with capture_logs() as logs:
        found = smoke_test()(played.url, "api-2", paths=PATHS, job=True)
    assert (found.passed, found.detail) == (True, "/health, /docs and a panel of two went well")
    assert [line["problem"] for line in logs if line["event"] == "smoke_test_left"] == left


def test_nobody_there_fails() -> None:
    """Within the patience there is."""
    found = smoke_test()("http://127.0.0.1:9", "api-2", paths=PATHS, job=True)
    assert found.detail == "GET /health was not answered: NewConnectionError"
