"""The main job through its routes: a panel, a focus group, what was said, and what it comes to.

The functions behind the routes run as they are deployed, with the simulated model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from common.ids import new_id
from common.jobs import accept
from tests.fixtures.api import Api, run_to_the_end

AUDIENCE = {
    "name": "Adults",
    "dimensions": {"age": {"18-39": 0.5, "40+": 0.5}, "gender": {"female": 0.5, "male": 0.5}},
}
QUESTIONS = ["What do you think about oat milk?", "Would you pay more for it?"]


@dataclass(frozen=True)
class Study:
    """A panel of four, and a group that was asked two questions."""

    api: Api
    project: str
    panel: dict[str, Any]
    group: dict[str, Any]

    def read(self, path: str) -> Any:
        """The JSON at a path under the group."""
        return self.api.read(f"/focus-groups/{self.group['subject_id']}{path}")


@pytest.fixture
def study(api: Api) -> Study:
    """A finished study."""
    project = api.project()
    panel: Any = api.post(f"/projects/{project}/personas:generate", {"audience": AUDIENCE, "size": 4}).json
    run_to_the_end(api)
    body = {"name": "Oat milk", "panel_job_id": panel["id"], "questions": QUESTIONS}
    group: Any = api.post(f"/projects/{project}/focus-groups", body).json
    run_to_the_end(api)
    return Study(api, project, panel, group)


def test_a_study_can_be_read_in_every_way(study: Study) -> None:
    """The panel, its personas, the group, its transcript, answers, summary, events and usage are all there."""
    _check_panel(study)
    _check_personas(study)
    _check_group(study)
    _check_transcript(study)
    _check_answers(study)
    _check_summary(study)
    _check_job(study)


def _check_panel(study: Study) -> None:
    report = study.api.read(f"/jobs/{study.panel['id']}/panel")
    assert (report["size"], report["personas"], report["fit"]["overall"]["within_one_seat"]) == (4, 4, True)
    assert report["review"]["personas"] == 4


def _check_personas(study: Study) -> None:
    api, path = study.api, f"/projects/{study.project}/personas"
    first = api.read(f"{path}?limit=3")
    second = api.read(f"{path}?limit=3&cursor={first['next_cursor']}")
    assert (first["total"], second["next_cursor"]) == (4, None)
    personas = first["items"] + second["items"]
    assert [persona["position"] for persona in personas] == [0, 1, 2, 3]
    women = api.read(f"{path}?segment=gender:female&segment=age:18-39&segment=age:40%2B")["items"]
    assert [persona["id"] for persona in women] == [
        persona["id"] for persona in personas if persona["demographics"]["gender"] == "female"
    ]
    assert api.read(f"{path}?job_id={study.panel['id']}&min_quality=0&search=%20")["total"] == 4
    persona = f"/personas/{personas[0]['id']}"
    assert api.read(persona) == personas[0]
    assert api.delete(persona).status_code == 204
    assert api.get(persona).status_code == 404
    assert api.read(path)["total"] == 3
    assert api.post(f"{persona}:undelete").json == personas[0]


def _check_group(study: Study) -> None:
    group = study.read("")
    assert (group["state"], group["members"], group["questions"]) == ("completed", 4, 2)
    assert study.api.read(f"/projects/{study.project}/focus-groups")["items"] == [group]
    assert [question["text"] for question in study.read("/questions")["items"]] == QUESTIONS
    members = study.read("/members?limit=3")
    assert [member["position"] for member in members["items"]] == [0, 1, 2]
    assert [member["position"] for member in study.read("/members?limit=3&cursor=2")["items"]] == [3]
    assert members["next_cursor"] == 2


def _check_transcript(study: Study) -> None:
    page = study.read("/transcript?limit=5")
    entries = page["items"] + study.read(f"/transcript?limit=5&cursor={page['next_cursor']}")["items"]
    assert page["total"] == len(entries) == 8
    assert [(entry["persona_position"], entry["question_position"]) for entry in entries] == [
        (persona, question) for persona in range(4) for question in range(2)
    ]
    assert all(entry["state"] == "answered" and entry["answer"]["text"] for entry in entries)
    by_question = study.read("/transcript?order=question&question=1")["items"]
    assert [entry["persona_position"] for entry in by_question] == [0, 1, 2, 3]


def _check_answers(study: Study) -> None:
    every = study.read("/answers")
    assert every["total"] == 8
    persona = every["items"][0]["persona_id"]
    assert study.read(f"/answers?persona_id={persona}&question=0")["total"] == 1
    assert study.read("/answers?segment=gender:female")["total"] == 4
    stances = {answer["stance"] for answer in every["items"]}
    assert sum(study.read(f"/answers?stance={stance}")["total"] for stance in stances) == 8


def _check_summary(study: Study) -> None:
    summary = study.read("/summary")
    assert (summary["state"], summary["simulated"]) == ("completed", True)
    assert summary["report"]["coverage"]["answers_read"] == 8


def _check_job(study: Study) -> None:
    job = study.api.read(f"/jobs/{study.group['id']}")
    assert (job["state"], job["items"]["done"], job["kind"]) == ("completed", 8, "focus_group")
    events = study.api.read(f"/jobs/{job['id']}/events")["items"]
    assert [event["sequence"] for event in events] == list(range(1, job["version"] + 1))
    assert study.api.read(f"/usage?job_id={job['id']}")["total"]["calls"] == 8


def test_a_summary_that_is_not_there_yet_says_why(api: Api) -> None:
    """202 while the group runs, and 404 with the reason where there will be none."""
    project = api.project()
    panel: Any = api.post(f"/projects/{project}/personas:generate", {"audience": AUDIENCE, "size": 2}).json
    run_to_the_end(api)
    body = {"name": "Oat milk", "panel_job_id": panel["id"], "questions": QUESTIONS}
    group: Any = api.post(f"/projects/{project}/focus-groups", body).json
    summary = api.get(f"/focus-groups/{group['subject_id']}/summary")
    found: Any = summary.json
    assert (summary.status_code, found["state"]) == (202, "waiting")
    api.post(f"/jobs/{group['id']}:cancel")
    run_to_the_end(api)
    problem: Any = api.get(f"/focus-groups/{group['subject_id']}/summary").json
    assert (problem["status"], problem["code"]) == (404, "summary_not_found")
    assert problem["errors"][0]["field"] == "focus_group_id"


def test_what_is_not_there_is_named(api: Api, subtests: pytest.Subtests) -> None:
    """Every route with an id answers 404 and names it."""
    for path, field in (
        ("/personas/{}", "persona_id"),
        ("/jobs/{}/panel", "job_id"),
        ("/jobs/{}/events", "job_id"),
        ("/jobs/{}/events:stream", "job_id"),
        ("/projects/{}/personas", "project_id"),
        ("/projects/{}/focus-groups", "project_id"),
        ("/focus-groups/{}", "focus_group_id"),
        ("/focus-groups/{}/questions", "focus_group_id"),
        ("/focus-groups/{}/members", "focus_group_id"),
        ("/focus-groups/{}/transcript", "focus_group_id"),
        ("/focus-groups/{}/answers", "focus_group_id"),
        ("/focus-groups/{}/summary", "focus_group_id"),
        ("/audiences/{}", "audience_id"),
    ):
        with subtests.test(path):
            problem: Any = api.get(path.format(new_id())).json
            assert (problem["status"], problem["errors"][0]["field"]) == (404, field)


@pytest.mark.parametrize(("routine", "route"), [("personas", "personas:generate"), ("focus_groups", "focus-groups")])
def test_what_is_asked_of_a_project_while_it_is_deleted_is_not_begun(
    study: Study, monkeypatch: pytest.MonkeyPatch, routine: str, route: str
) -> None:
    """The project was there when it was looked for, and gone when the job was to be written: nothing was."""
    api, path = study.api, f"/projects/{study.project}"
    accept_job = accept.accept

    def overtaken(*arguments: Any) -> accept.Accepted | None:
        assert api.delete(path).status_code == 204
        return accept_job(*arguments)

    monkeypatch.setattr(f"common.{routine}.service.accept.accept", overtaken)
    body = {
        "personas": {"audience": AUDIENCE, "size": 4},
        "focus_groups": {"name": "Milk", "panel_job_id": study.panel["id"], "questions": QUESTIONS},
    }
    before = api.sql("SELECT count(*) FROM jobs")
    response: Any = api.post(f"{path}/{route}", body[routine])
    assert (response.status_code, response.json["code"]) == (404, "project_not_found")
    assert api.sql("SELECT count(*) FROM jobs") == before
