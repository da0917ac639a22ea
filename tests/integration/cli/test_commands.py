"""Tests of whole commands against the fake API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.integration.cli.fake_api import FakeApi, Say
from tests.unit.cli.samples import GROUP, JOB, PROJECT, entry, estimate, job, panel, persona, summary

RUN = """\
project: Oat drink
panel:
  audience: poland-adults
  size: 4
group:
  name: First reactions
  questions: [What do you drink?]
"""
SUMMARY_JOB = JOB.replace("a", "d")

Ran = tuple[int, str, str]
Sight = Callable[..., Ran]


@pytest.fixture
def sight(api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sight:
    """Runs a command against the fake API and returns its exit code, output and messages."""
    monkeypatch.setattr("cli.client.time.sleep", lambda seconds: None)
    for name in ("SIGHT_PROJECT", "SIGHT_API_KEY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Ran:
        code = main(["--url", api.url, *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A run file."""
    path = tmp_path / "run.yaml"
    path.write_text(RUN)
    return path


def page(*items: Any) -> Say:
    """A page that is the last."""
    return Say({"items": list(items), "next_cursor": None})


def serve_run(api: FakeApi, *, panel_state: str = "completed", group_state: str = "completed") -> None:
    """Has the fake API play a run whose jobs end in these states."""
    lost = {"done": 3, "failed": 1}
    panel_job = job(state=panel_state, items={"done": 4} if panel_state == "completed" else lost)
    group_job = job(
        id=JOB.replace("a", "e"),
        kind="focus_group",
        subject_id=GROUP,
        state=group_state,
        items={"done": 4} if group_state == "completed" else lost,
    )
    summary_job = job(id=SUMMARY_JOB, kind="summary", state="completed", items={"total": 1, "done": 1})
    group = {"id": GROUP, "project_id": PROJECT, "job_id": group_job["id"], "state": group_state}
    api.on("POST", "/estimates/personas", Say(estimate()))
    api.on("POST", "/estimates/focus-groups", Say(estimate()))
    api.on("GET", "/projects", page())
    api.on("POST", "/projects", Say({"id": PROJECT, "name": "Oat drink"}, 201))
    api.on("POST", f"/projects/{PROJECT}/personas:generate", Say(job(), 202))
    api.on("GET", f"/jobs/{JOB}", Say(panel_job))
    api.on("GET", f"/jobs/{JOB}/panel", Say(panel()))
    api.on("POST", f"/projects/{PROJECT}/focus-groups", Say(group_job | {"state": "running"}, 202))
    api.on("GET", f"/jobs/{group_job['id']}", Say(group_job))
    api.on("GET", f"/jobs/{SUMMARY_JOB}", Say(summary_job))
    api.on("GET", f"/focus-groups/{GROUP}", Say(group))
    api.on(
        "GET",
        f"/focus-groups/{GROUP}/summary",
        Say(summary(state="waiting", report=None, job_id=None), 202),
        Say(summary(state="running", report=None, job_id=SUMMARY_JOB), 202),
        Say(summary()),
    )


def test_a_run_goes_from_file_to_analysis(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """The panel is made, asked and analysed, and all of it is shown."""
    serve_run(api)
    code, out, err = sight("run", str(run_file))
    assert code == 0, err
    assert "Mężczyzna" in out
    assert "“quote 0”" in out
    assert "Expected to take 4.0 s and $0.04" in err
    assert "Personas" in err
    assert f"sight transcript {GROUP}" in err
    asked = api.asked_for(f"/projects/{PROJECT}/focus-groups")[0]
    assert asked.body == {
        "name": "First reactions",
        "questions": ["What do you drink?"],
        "panel_job_id": JOB,
    }


def test_a_run_as_json_is_nothing_but_json(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """Scripts get one document on stdout."""
    serve_run(api)
    code, out, _ = sight("run", str(run_file), "--json")
    assert code == 0
    assert sorted(json.loads(out)) == ["focus_group_id", "jobs", "panel", "project", "summary"]


def test_a_partial_run_shows_what_there_is_and_says_so(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """Incomplete work is used, and told by message and exit code."""
    serve_run(api, group_state="partial")
    code, out, err = sight("run", str(run_file))
    assert code == 3
    assert "“quote 0”" in out
    assert "Answers: partial, 3 of 4 done, 1 failed" in err
    assert "sight jobs retry" in err


def test_a_run_whose_panel_has_nobody_ends_there(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """A budget that paid for no persona leaves nobody to ask: the exit code and the reason say so."""
    serve_run(api)
    reasons = [{"code": "budget", "detail": "the job reached its budget", "items": 4}]
    api.on("GET", f"/jobs/{JOB}", Say(job(state="partial", items={"done": 0, "skipped": 4}, reasons=reasons)))
    code, _, err = sight("run", str(run_file))
    assert code == 3
    assert "Personas: partial, 0 of 4 done, 4 not run; 4 x the job reached its budget" in err
    assert api.asked_for(f"/projects/{PROJECT}/focus-groups") == []


@pytest.mark.parametrize("slowly", [True, False])
def test_a_run_whose_analysis_fails_keeps_the_rest(api: FakeApi, sight: Sight, run_file: Path, slowly: bool) -> None:
    """What was made is shown, and the failure is told."""
    serve_run(api)
    reasons = [{"code": "llm_refused", "detail": "the model refused", "items": 1}]
    failed = job(id=SUMMARY_JOB, kind="summary", state="failed", items={"total": 1, "failed": 1}, reasons=reasons)
    api.on("GET", f"/jobs/{SUMMARY_JOB}", Say(failed))
    api.on("GET", "/jobs", page(failed | {"subject_id": GROUP, "reasons": []}))
    under_way = [Say(summary(state="running", report=None, job_id=SUMMARY_JOB), 202)] if slowly else []
    gone = Say({"code": "summary_not_found", "detail": "there is no summary (failed): the model refused"}, 404)
    api.on("GET", f"/focus-groups/{GROUP}/summary", *under_way, gone)
    code, out, err = sight("run", str(run_file), "--json")
    assert code == 1
    assert json.loads(out)["summary"] is None
    assert "Analysis: failed, 0 of 1 done, 1 failed; 1 x the model refused (llm_refused)" in err


def test_duplicates_are_left_out_once_they_are_known(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """A group without duplicates waits for the review of the panel, and is not asked when that fails."""
    serve_run(api)
    run_file.write_text(RUN + "  without_duplicates: true\n")
    review = job(id=JOB.replace("a", "f"), kind="panel_review", subject_id=JOB, state="failed", items={"failed": 1})
    api.on("GET", "/jobs", page(), page(review))
    api.on("GET", f"/jobs/{review['id']}", Say(review))
    code, _, err = sight("run", str(run_file))
    assert code == 1
    assert "Panel review: failed" in err
    assert api.asked_for(f"/projects/{PROJECT}/focus-groups") == []


def test_a_failed_panel_is_asked_nothing(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """A run ends with the first job that has nothing to go on with."""
    serve_run(api, panel_state="failed")
    code, out, _ = sight("run", str(run_file))
    assert (code, out) == (1, "")
    assert api.asked_for(f"/projects/{PROJECT}/focus-groups") == []


def test_a_run_repeated_with_its_key_sends_the_same_keys(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """Each job of a run has a key of its own, made from the given one."""
    serve_run(api)
    sight("run", str(run_file), "--idempotency-key", "k")
    keys = [
        api.asked_for(f"/projects/{PROJECT}/{path}")[0].headers["Idempotency-Key"]
        for path in ("personas:generate", "focus-groups")
    ]
    assert keys == ["k:panel", "k:group"]


def test_a_wrong_file_costs_nothing(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """A file is checked as a whole before anything is asked for, and every mistake has its line."""
    run_file.write_text(RUN.replace("[What do you drink?]", "[]").replace("name: First", "nmae: First"))
    code, _, err = sight("run", str(run_file))
    assert code == 2
    assert "run.yaml:7  group.questions  List should have at least 1 item" in err
    assert 'is not known; did you mean "name"?' in err
    assert api.asked == []


def test_what_the_server_refuses_is_shown_at_its_line(api: FakeApi, sight: Sight, run_file: Path) -> None:
    """Fields the server names are found in the file."""
    serve_run(api)
    refusal = {
        "detail": "audience_slug: there is no audience poland-adults (and 1 more)",
        "code": "invalid_input",
        "errors": [{"field": "audience_slug", "message": "there is none"}, {"field": "size", "message": "too many"}],
    }
    api.on("POST", f"/projects/{PROJECT}/personas:generate", Say(refusal, 422))
    code, _, err = sight("run", str(run_file))
    assert code == 1
    assert "run.yaml:3  panel.audience  there is none" in err
    assert "run.yaml:4  panel.size      too many" in err


def test_a_panel_can_be_made_from_the_catalogue(api: FakeApi, sight: Sight) -> None:
    """With options alone; --no-wait prints the job's id."""
    serve_run(api)
    api.on("GET", "/projects", page({"id": PROJECT, "name": "Oat drink"}))
    code, out, err = sight("panel", "create", "--audience", "gen-z", "--size", "5", "--seed", "3", "--no-wait")
    assert (code, out) == (0, f"{JOB}\n"), err
    assert api.asked_for(f"/projects/{PROJECT}/personas:generate")[0].body == {
        "audience_slug": "gen-z",
        "size": 5,
        "seed": 3,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("panel", "create"),
        ("panel", "create", "--audience", "gen-z"),
        ("panel", "create", "--audience", "gen-z", "--size", "1"),
        ("panel", "create", "--audience", " ", "--size", "5"),
        ("panel", "create", "--audience", "gen-z", "--size", "5", "--seed", "9007199254740993"),
        ("group", "create", "f.yaml"),
        ("dead-letters", "replay"),
        ("export", GROUP),
        ("run", "no-such-file.yaml"),
        ("no-such-command",),
    ],
)
def test_wrong_usage_has_its_own_exit_code(api: FakeApi, sight: Sight, arguments: tuple[str, ...]) -> None:
    """Options that do not fit are told before anything is asked."""
    code, out, err = sight(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert api.asked == []


def test_the_project_is_the_only_one_or_must_be_named(api: FakeApi, sight: Sight) -> None:
    """With several projects the command asks which, naming them."""
    one, other = {"id": PROJECT, "name": "One"}, {"id": JOB, "name": "Two"}
    api.on("GET", "/projects", page(one, other))
    api.on("GET", f"/projects/{JOB}/focus-groups", page())
    code, _, err = sight("group", "list")
    assert code == 2
    assert f"{PROJECT} One" in err
    assert sight("group", "list", "--project", "Two")[0] == 0
    assert sight("group", "list", "--project", "Three")[0] == 2


def test_an_estimate_needs_to_know_how_many(api: FakeApi, sight: Sight, tmp_path: Path) -> None:
    """A group alone does not say of how many personas it is."""
    path = tmp_path / "group.yaml"
    path.write_text("name: x\nquestions: [y]\n")
    api.on("POST", "/estimates/focus-groups", Say(estimate()))
    assert sight("estimate", str(path))[0] == 2
    code, out, err = sight("estimate", str(path), "--personas", "500", "--json")
    assert (code, list(json.loads(out))) == (0, ["focus_group"]), err
    assert api.asked[0].body == {"personas": 500, "questions": ["y"]}


def test_watch_tells_by_its_exit_code_how_the_job_ended(api: FakeApi, sight: Sight) -> None:
    """A cancelled job is not done."""
    api.on("GET", f"/jobs/{JOB}", Say(job(state="cancelled", items={"skipped": 4}, stop_reason="cancelled")))
    code, out, err = sight("watch", JOB, "--json")
    assert code == 3
    assert json.loads(out)["state"] == "cancelled"
    assert "0 of 4 done, 4 not run" in err


def test_retry_sends_what_was_asked_for(api: FakeApi, sight: Sight) -> None:
    """Resuming and a new budget are passed on, and --wait follows the job."""
    api.on("POST", f"/jobs/{JOB}:retry", Say(job(), 202))
    api.on("GET", f"/jobs/{JOB}", Say(job(state="completed", items={"done": 4})))
    code, _, err = sight("jobs", "retry", JOB, "--resume", "--budget", "5", "--wait")
    assert code == 0, err
    assert api.asked[0].body == {"resume": True, "budget_usd": 5.0}


def test_dead_letters_can_all_be_replayed(api: FakeApi, sight: Sight) -> None:
    """--all sends those again that were not yet."""
    letter = {
        "id": "d1",
        "subscription": "projects/p/subscriptions/sight-jobs-fan-out",
        "message_id": "m",
        "data": "",
        "attributes": {},
        "attempts": 3,
        "cause_code": "malformed",
        "cause": "not JSON",
        "created_at": "2026-01-02T03:04:05+00:00",
        "replayed_at": None,
    }
    api.on("GET", "/dead-letters", page(letter, letter | {"id": "d2", "replayed_at": "2026-01-02T03:04:05+00:00"}))
    api.on("POST", "/dead-letters/d1:replay", Say(letter))
    assert "sight-jobs-fan-out" in sight("dead-letters", "list")[1]
    code, _, err = sight("dead-letters", "replay", "--all")
    assert (code, err) == (0, "Sent 1 again.\n")


def test_a_transcript_can_be_narrowed(api: FakeApi, sight: Sight) -> None:
    """Questions count from 1 for people and from 0 for the server."""
    api.on("GET", f"/focus-groups/{GROUP}/transcript", page(entry(0, 1)))
    api.on("GET", f"/focus-groups/{GROUP}/questions", Say({"items": [{"text": "First?"}, {"text": "Second?"}]}))
    code, out, err = sight("transcript", GROUP, "--question", "2", "--order", "question")
    assert code == 0, err
    assert "2. Second?" in out
    assert api.asked[0].query["question"] == "1"


def test_no_analysis_is_said_by_exit_code_and_words(api: FakeApi, sight: Sight) -> None:
    """A group without a summary is a refusal, not an empty summary."""
    gone = {"code": "summary_not_found", "detail": "there is no summary (none): the focus group was cancelled"}
    api.on("GET", f"/focus-groups/{GROUP}/summary", Say(gone, 404))
    api.on("GET", f"/focus-groups/{GROUP}", Say({"id": GROUP, "project_id": PROJECT}))
    api.on("GET", "/jobs", page())
    code, out, err = sight("summary", GROUP)
    assert (code, out) == (1, "")
    assert "the focus group was cancelled" in err


def test_exports_files(api: FakeApi, sight: Sight, tmp_path: Path) -> None:
    """The files of a run are written, and their paths are the output."""
    api.on("GET", f"/focus-groups/{GROUP}", Say({"id": GROUP, "job_id": JOB}))
    api.on("GET", f"/focus-groups/{GROUP}/members", page({"persona_id": persona()["id"]}, {"persona_id": "gone"}))
    api.on("GET", f"/focus-groups/{GROUP}/questions", Say({"items": []}))
    api.on("GET", f"/focus-groups/{GROUP}/transcript", page(entry()))
    api.on("GET", f"/focus-groups/{GROUP}/summary", Say(summary()))
    api.on("GET", f"/personas/{persona()['id']}", Say(persona()))
    api.on("GET", f"/projects/{PROJECT}/personas", page(persona()))
    api.on("GET", f"/jobs/{JOB}", Say(job()))
    api.on("GET", f"/jobs/{JOB}/panel", Say(panel()))
    code, out, err = sight("export", GROUP, "--format", "csv", "-o", str(tmp_path / "run"))
    assert code == 0, err
    assert sorted(out.split()) == sorted(str(path) for path in (tmp_path / "run").iterdir())
    assert "left out: 1." in err
    assert sight("export", GROUP, "-o", str(tmp_path / "run"), "--json")[0] == 0
    code, _, err = sight("export", GROUP, "-o", str(tmp_path / "run"))
    assert code == 2
    assert "--force" in err
