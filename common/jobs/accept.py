"""Accepts a job: once for each idempotency key, with everything it needs in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.bus.topology import JOBS
from common.events import outbox
from common.events.models import JobAccepted
from common.jobs.errors import IdempotencyKeyReused

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.events.outbox import Pending
    from common.jobs.models import NewJob


def request_hash(kind: str, request: dict[str, Any]) -> str:
    """What tells a repeated request from another one under the same idempotency key (SHA-256, hex)."""
    canonical = json.dumps([kind, request], sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def find_repeat(connection: Connection, workspace_id: UUID, idempotency_key: str | None, wanted: str) -> UUID | None:
    """The job an earlier request with this key was accepted as, or None.

    Raises `IdempotencyKeyReused` when that request was another one.
    """
    if idempotency_key is None:
        return None
    row = connection.execute(
        text("SELECT id, request_hash FROM jobs WHERE workspace_id = :workspace AND idempotency_key = :key"),
        {"workspace": workspace_id, "key": idempotency_key},
    ).one_or_none()
    if row is None:
        return None
    if row.request_hash != wanted:
        raise IdempotencyKeyReused("this Idempotency-Key was used with another request; use a new one")
    found: UUID = row.id
    return found


_INSERT = text("""
WITH job AS (
    INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, subject_id, spec, seed, idempotency_key,
                      request_hash, total, budget_micros, deadline_at, simulated, traceparent)
    VALUES (:id, :workspace, :project, :kind, :flow, :rounds, 'running', :subject, CAST(:spec AS jsonb), :seed, :key,
            :hash, :total, :budget, now() + make_interval(secs => :deadline), :simulated, :traceparent)
    ON CONFLICT (workspace_id, idempotency_key) DO NOTHING
    RETURNING id, workspace_id, kind, total
), rounds AS (
    INSERT INTO job_rounds (job_id, round, workspace_id, open)
    SELECT id, r, workspace_id, total / :rounds FROM job, generate_series(0, :rounds - 1) r WHERE :flow = 'rounds'
)
INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
SELECT id, 1, workspace_id, 'accepted', jsonb_build_object('kind', kind, 'total', total) FROM job
""")


def accept(connection: Connection, workspace_id: UUID, job: NewJob) -> list[Pending] | None:
    """Writes the job, its rounds and the event that starts it, and returns what to publish after the commit.

    Returns None when a request with the same key was accepted a moment ago by someone else: the caller
    then rolls back and asks `find_repeat` again. A job of several rounds has equally many items in each,
    but for the kinds that set their rounds themselves with `set_rounds`.
    """
    written = connection.execute(
        _INSERT,
        {
            "id": job.id,
            "workspace": workspace_id,
            "project": job.project_id,
            "kind": job.kind,
            "flow": job.flow,
            "rounds": job.rounds,
            "subject": job.subject_id,
            "spec": json.dumps(job.spec, ensure_ascii=False),
            "seed": job.seed,
            "key": job.idempotency_key,
            "hash": job.request_hash,
            "total": job.total,
            "budget": job.budget_micros,
            "deadline": job.deadline_seconds,
            "simulated": job.simulated,
            "traceparent": job.traceparent,
        },
    ).rowcount
    if not written:
        return None
    event = JobAccepted(workspace_id=workspace_id, job_id=job.id, traceparent=job.traceparent)
    return outbox.put(connection, workspace_id, [(JOBS, event)])


def set_rounds(connection: Connection, workspace_id: UUID, job_id: UUID, sizes: list[int]) -> None:
    """Says how many items each round of a job has, where they differ; in the transaction that accepts it."""
    connection.execute(
        text(
            "UPDATE job_rounds r SET open = s.size"
            " FROM unnest(CAST(:sizes AS int[])) WITH ORDINALITY AS s(size, n)"
            " WHERE r.job_id = :job AND r.workspace_id = :workspace AND r.round = s.n - 1"
        ),
        {"job": job_id, "workspace": workspace_id, "sizes": sizes},
    )
