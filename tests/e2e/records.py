"""What must be true of the records once all work has ended, whatever went wrong on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Engine, text

from common.database.engine import autocommit
from common.settings import LOCAL_WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = {"personas": "personas", "focus_group": "answers"}
"""The table of each kind's results. A result's id is its item's."""


def rows(engine: Engine, statement: str, **parameters: Any) -> Sequence[Any]:
    """The rows of a statement."""
    with autocommit(engine) as connection:
        return connection.execute(text(statement), parameters).all()


def unsettled(engine: Engine, job_id: str | None = None) -> dict[str, int]:
    """What of one job or all jobs still waits for somebody, by what it is; nothing once all has ended."""
    [found] = rows(
        engine,
        """
        WITH those AS (SELECT * FROM jobs WHERE CAST(:job AS uuid) IS NULL OR id = :job),
             its AS (SELECT i.* FROM job_items i JOIN those ON i.job_id = those.id)
        SELECT (SELECT count(*) FROM those WHERE finished_at IS NULL) AS jobs,
               (SELECT count(*) FROM its WHERE state NOT IN ('done', 'failed', 'skipped')) AS items,
               (SELECT count(*) FROM its WHERE lease_owner IS NOT NULL) AS leases,
               (SELECT count(*) FROM outbox) AS events
        """,
        job=job_id,
    )
    return {name: count for name, count in found._mapping.items() if count}


def check_job(engine: Engine, job_id: str) -> None:
    """Every item of the job ended once, those that are done and no others have a result, the counts and the log
    say the same, no money stays reserved, and what failed has a reason."""
    [job] = rows(engine, "SELECT * FROM jobs WHERE id = :job", job=job_id)
    items = rows(engine, "SELECT * FROM job_items WHERE job_id = :job", job=job_id)
    done = {item.id for item in items if item.state == "done"}
    failed = {item.id for item in items if item.state == "failed"}
    assert len(items) == job.total == job.done + job.failed + job.skipped
    assert (len(done), len(failed)) == (job.done, job.failed)
    some = job.done or job.stop_reason == "budget"
    assert job.state == ("completed" if job.done == job.total else "partial" if some else "failed")
    assert job.reserved_micros == 0
    assert all(item.reason_code and item.reason for item in items if item.state != "done")
    assert {item.workspace_id for item in items} == {LOCAL_WORKSPACE}
    _check_log(engine, job, done, failed)
    if job.kind in RESULTS:
        _check_results(engine, job, done)


def _check_log(engine: Engine, job: Any, done: set[UUID], failed: set[UUID]) -> None:
    events = rows(engine, "SELECT * FROM job_events WHERE job_id = :job ORDER BY sequence", job=job.id)
    assert [event.sequence for event in events] == list(range(1, job.version + 1))
    for type_, ended in (("item_done", done), ("item_failed", failed)):
        logged = [UUID(event.payload["item_id"]) for event in events if event.type == type_]
        assert len(logged) == len(ended)
        assert set(logged) == ended


def _check_results(engine: Engine, job: Any, done: set[UUID]) -> None:
    which = "job_id = :subject" if job.kind == "personas" else "focus_group_id = :subject"
    subject = job.id if job.kind == "personas" else job.subject_id
    results = rows(engine, f"SELECT * FROM {RESULTS[job.kind]} WHERE {which}", subject=subject)
    assert len(results) == len(done)
    assert {result.id for result in results} == done
    assert {result.workspace_id for result in results} == {LOCAL_WORKSPACE}
    if job.kind == "focus_group":
        assert len({(result.persona_id, result.question_id) for result in results}) == len(done)
