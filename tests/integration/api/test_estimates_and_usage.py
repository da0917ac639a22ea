"""Tests of the routes that count: estimates before a job, usage after."""

from __future__ import annotations

from typing import Any

import pytest

from common.ids import new_id
from tests.fixtures.api import Api

NOTHING = {
    "calls": 0,
    "failed": 0,
    "cache_hits": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cached_input_tokens": 0,
    "saved_tokens": 0,
    "cost_micros": 0,
}


def test_a_panel_is_estimated_before_it_is_made(api: Api) -> None:
    """An estimate counts the calls and writes nothing."""
    before = api.row_counts()
    estimate: Any = api.post("/estimates/personas", {"size": 20}).json
    assert estimate["calls"] >= 20
    assert (estimate["simulated"], estimate["cost_micros"]["p50"]) == (True, 0)
    assert api.row_counts() == before


def test_a_group_is_estimated_before_it_starts(api: Api) -> None:
    """Every answer is a call, and the summary comes on top."""
    body = {"personas": 20, "questions": ["Why?", "How?"], "mode": "discussion"}
    estimate: Any = api.post("/estimates/focus-groups", body).json
    assert estimate["calls"] > 40
    assert {purpose["purpose"] for purpose in estimate["purposes"]} >= {"answer", "summary"}


def test_an_estimate_of_what_cannot_be_is_refused(api: Api) -> None:
    """The limits are those of the job itself."""
    problem: Any = api.post("/estimates/focus-groups", {"personas": 1001, "questions": [""]}).json
    assert {error["field"] for error in problem["errors"]} == {"personas", "questions[0]"}


def test_usage_sums_calls_by_purpose_and_model(api: Api) -> None:
    """What calls took is summed for the workspace, and for a job alone."""
    job_id = new_id()
    api.sql(
        """
        INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, spec, seed, request_hash, total,
                          deadline_at, simulated)
        SELECT :job, workspace_id, id, 'personas', 'parallel', 1, 'running', '{}', 1, '', 2, now(), false
        FROM projects WHERE id = :project
        """,
        job=job_id,
        project=api.project(),
    )
    api.sql(
        """
        INSERT INTO llm_calls (workspace_id, job_id, item_id, purpose, provider, model, prompt_hash, input_tokens,
                               output_tokens, cached_tokens, cost_micros, latency_ms, cache_hit, simulated, outcome)
        SELECT workspace_id, id, id, 'persona', 'gemini', 'm', '', 100, 50, 0, 7, 1, false, false, 'ok'
        FROM jobs, generate_series(1, 2)
        """
    )
    used = NOTHING | {"calls": 2, "input_tokens": 200, "output_tokens": 100, "cost_micros": 14}
    usage = api.read(f"/usage?job_id={job_id}")
    assert usage["total"] == used
    assert usage["by_model"] == [{**used, "purpose": "persona", "model": "m", "simulated": False}]
    assert api.read("/usage")["total"] == used
    assert api.read("/usage?since=2100-01-01T00:00:00Z")["total"] == NOTHING
    assert api.read(f"/usage?job_id={new_id()}")["total"] == NOTHING


@pytest.mark.parametrize(
    ("name", "time"), [("since", "0001-01-01T00:00:00%2B14:00"), ("until", "9999-12-31T23:59:59-14:00")]
)
def test_a_time_that_is_none_in_utc_is_refused(api: Api, name: str, time: str) -> None:
    """The database keeps times in UTC, where the first and the last of some offsets have no year to be in."""
    problem: Any = api.get(f"/usage?{name}={time}").json
    assert (problem["status"], [error["field"] for error in problem["errors"]]) == (422, [name])


def test_the_first_and_the_last_of_times_are_taken(api: Api) -> None:
    """Whoever wants everything may ask for it so."""
    assert api.read("/usage?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z")["total"] == NOTHING


def test_a_time_without_its_offset_is_refused(api: Api) -> None:
    """Nobody has to guess which time is meant."""
    problem: Any = api.get("/usage?since=2026-01-01").json
    assert [error["field"] for error in problem["errors"]] == ["since"]
