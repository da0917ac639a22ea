"""Usage is summed from the calls that were recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.ids import new_id
from common.settings import LOCAL_WORKSPACE
from common.usage.models import UsageView
from common.usage.store import history, usage

Record = Callable[..., None]


@pytest.fixture
def job_id(engine: Engine) -> UUID:
    """A job to record calls for."""
    return a_job(engine)


def a_job(engine: Engine) -> UUID:
    """A job in a project of its own."""
    project, job = new_id(), new_id()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO projects (id, workspace_id, name) VALUES (:id, :workspace, 'Test')"),
            {"id": project, "workspace": LOCAL_WORKSPACE},
        )
        connection.execute(
            text("""
                INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, spec, seed, request_hash,
                                  total, deadline_at, simulated)
                VALUES (:id, :workspace, :project, 'focus_group', 'chain', 1, 'running', '{}', 7, 'h', 1, now(), false)
            """),
            {"id": job, "workspace": LOCAL_WORKSPACE, "project": project},
        )
    return job


@pytest.fixture
def record(engine: Engine, job_id: UUID) -> Record:
    """Records calls: of 100 input and 20 output tokens for 50 micros, now, unless told otherwise."""

    def record_calls(count: int = 1, **changes: Any) -> None:
        call = {
            "workspace_id": LOCAL_WORKSPACE,
            "job_id": job_id,
            "item_id": new_id(),
            "purpose": "answer",
            "provider": "gemini",
            "model": "flash",
            "prompt_hash": "h",
            "input_tokens": 100,
            "output_tokens": 20,
            "cached_tokens": 10,
            "cost_micros": 50,
            "latency_ms": 1000,
            "cache_hit": False,
            "simulated": False,
            "outcome": "ok",
            "created_at": datetime.now(UTC),
        } | changes
        columns = ", ".join(call)
        values = ", ".join(f":{column}" for column in call)
        with engine.begin() as connection:
            connection.execute(
                text(f"INSERT INTO llm_calls ({columns}) SELECT {values} FROM generate_series(1, :count)"),
                call | {"count": count},
            )

    return record_calls


def used(engine: Engine, workspace_id: UUID = LOCAL_WORKSPACE, **filters: Any) -> UsageView:
    """The usage of a workspace."""
    with engine.connect() as connection:
        return usage(connection, workspace_id, **filters)


def test_what_was_never_used_sums_to_zero(engine: Engine) -> None:
    """Totals are there without a single call."""
    view = used(engine)
    assert set(view.total.model_dump().values()) == {0}
    assert (view.by_model, view.by_day) == ([], [])


def test_calls_are_summed_by_purpose_and_model(engine: Engine, record: Record) -> None:
    """The dearest comes first, and the parts make the total."""
    record(3)
    record(2, purpose="summary", model="pro", cost_micros=900)
    record(1, outcome="llm_bad_reply")
    view = used(engine)
    assert [(m.purpose, m.model, m.calls, m.failed, m.cost_micros) for m in view.by_model] == [
        ("summary", "pro", 2, 0, 1800),
        ("answer", "flash", 4, 1, 200),
    ]
    assert (view.total.calls, view.total.input_tokens, view.total.cost_micros) == (6, 600, 2000)


def test_tokens_of_cache_hits_are_saved_and_not_used(engine: Engine, record: Record) -> None:
    """A reply found in our cache takes no tokens of the provider."""
    record(1)
    record(2, cache_hit=True, cost_micros=0)
    total = used(engine).total
    assert (total.calls, total.cache_hits, total.input_tokens, total.output_tokens) == (3, 2, 100, 20)
    assert (total.saved_tokens, total.cached_input_tokens, total.cost_micros) == (240, 10, 50)


def test_days_are_of_utc_and_in_order(engine: Engine, record: Record) -> None:
    """A period begins with `since` and ends before `until`."""
    for day in (3, 1, 2):
        record(day, created_at=datetime(2026, 5, day, 23, 30, tzinfo=UTC))
    assert [(d.day, d.calls) for d in used(engine).by_day] == [(date(2026, 5, day), day) for day in (1, 2, 3)]
    period = used(engine, since=datetime(2026, 5, 2, tzinfo=UTC), until=datetime(2026, 5, 2, 23, 30, tzinfo=UTC))
    assert period.total.calls == 0
    assert used(engine, since=datetime(2026, 5, 2, tzinfo=UTC)).total.calls == 5


def test_usage_is_of_a_job_a_project_or_a_workspace(engine: Engine, record: Record, job_id: UUID) -> None:
    """Nothing of others is counted, and another workspace sees nothing."""
    record(1)
    other = a_job(engine)
    record(2, job_id=other)
    assert used(engine, job_id=job_id).total.calls == 1
    with engine.connect() as connection:
        project = connection.execute(text("SELECT project_id FROM jobs WHERE id = :id"), {"id": other}).scalar_one()
    assert used(engine, project_id=project).total.calls == 2
    assert used(engine, project_id=project, job_id=job_id).total.calls == 0
    assert used(engine).total.calls == 3
    assert used(engine, new_id()).total.calls == 0


def test_history_is_of_recent_calls_that_were_made_and_succeeded(engine: Engine, record: Record) -> None:
    """Cache hits, failures and old calls say nothing about how the next call will go."""
    for latency in range(100, 1100, 100):
        record(1, latency_ms=latency, output_tokens=latency // 10)
    record(1, latency_ms=99_999, outcome="llm_unavailable")
    record(1, latency_ms=0, cache_hit=True)
    record(1, latency_ms=99_999, created_at=datetime(2020, 1, 1, tzinfo=UTC))
    record(1, model="pro", latency_ms=7000)
    with engine.connect() as connection:
        found = history(connection, LOCAL_WORKSPACE)
        assert history(connection, new_id()) == {}
    assert set(found) == {("answer", "flash"), ("answer", "pro")}
    flash = found["answer", "flash"]
    assert (flash.calls, flash.latency_ms_p50, flash.latency_ms_p90) == (10, 550, 910)
    assert (flash.output_tokens_p50, flash.input_tokens_p90) == (55, 100)
    assert flash.latency_ms_p99 == pytest.approx(991)
