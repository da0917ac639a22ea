"""Accepts a job: once for each idempotency key, with everything it needs in one statement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.bus.topology import JOBS
from common.database import statement
from common.database.engine import autocommit
from common.events.models import JobAccepted
from common.events.outbox import Pending
from common.ids import new_id
from common.jobs import store
from common.jobs.errors import IdempotencyKeyReused
from common.jobs.models import Counts, JobView, Spend

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Engine

    from common.jobs.models import NewJob


@dataclass(frozen=True, slots=True)
class Along:
    """What is written with a job or not at all, as SQL: `reads` are CTEs that come before the job, which is
    accepted only where `condition` holds; `writes` are data-modifying CTEs that select from the CTE `job`.
    Parameters are written `:name` and prefixed with `a_`; they travel as text, so each is cast."""

    reads: str = ""
    condition: str = "true"
    writes: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)


NOTHING = Along()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job just accepted, and what to publish now that it is committed."""

    job: JobView
    pending: list[Pending]


def request_hash(kind: str, request: dict[str, Any]) -> str:
    """What tells a repeated request from another one under the same idempotency key (SHA-256, hex)."""
    canonical = json.dumps([kind, request], sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def find_repeat(engine: Engine, workspace_id: UUID, idempotency_key: str | None, wanted: str) -> JobView | None:
    """The job an earlier request with this key was accepted as, or None.

    Raises `IdempotencyKeyReused` when that request was another one.
    """
    if idempotency_key is None:
        return None
    with autocommit(engine) as connection:
        row = connection.execute(
            text("SELECT id, request_hash FROM jobs WHERE workspace_id = :workspace AND idempotency_key = :key"),
            {"workspace": workspace_id, "key": idempotency_key},
        ).one_or_none()
        if row is None:
            return None
        if row.request_hash != wanted:
            raise IdempotencyKeyReused("this Idempotency-Key was used with another request; use a new one")
        return store.get(connection, workspace_id, row.id)


_INSERT = """
WITH {reads} project AS (
    SELECT id FROM projects
    WHERE id = CAST(:project AS uuid) AND workspace_id = CAST(:workspace AS uuid) AND deleted_at IS NULL
), job AS (
    INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, subject_id, spec, seed, idempotency_key,
                      request_hash, total, budget_micros, deadline_at, simulated, traceparent)
    SELECT CAST(:id AS uuid), CAST(:workspace AS uuid), project.id, :kind, :flow, CAST(:rounds AS int),
           'running', CAST(:subject AS uuid), CAST(:spec AS jsonb), CAST(:seed AS bigint), :key, :hash,
           CAST(:total AS int), CAST(:budget AS bigint), now() + make_interval(secs => CAST(:deadline AS float8)),
           CAST(:simulated AS boolean), :traceparent
    FROM project WHERE {condition}
    ON CONFLICT (workspace_id, idempotency_key) DO NOTHING
    RETURNING *
), rounds AS (
    INSERT INTO job_rounds (job_id, round, workspace_id, size, open)
    SELECT id, size.n - 1, workspace_id, size.items, size.items
    FROM job, unnest(CAST(:sizes AS int[])) WITH ORDINALITY AS size(items, n) WHERE flow = 'rounds'
), event AS (
    INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
    SELECT id, 1, workspace_id, 'accepted', jsonb_build_object('kind', kind, 'total', total) FROM job
), outbox AS (
    INSERT INTO outbox (id, workspace_id, topic, event)
    SELECT CAST(:outbox AS uuid), workspace_id, :topic, CAST(:event AS jsonb) FROM job
){writes}
SELECT created_at, deadline_at FROM job
"""


def accept(engine: Engine, workspace_id: UUID, job: NewJob, along: Along = NOTHING) -> Accepted | None:
    """Writes the job, its rounds, what goes along with it and the event that starts it, as one transaction.

    Returns None, and writes nothing, when a request with the same key was accepted a moment ago by someone
    else, which `find_repeat` then finds, when the project was deleted or the condition does not hold. One that is being
    deleted is not waited for: the sweeper cancels what was accepted into it. The items are spread evenly over the
    rounds unless the job says otherwise.
    """
    sizes = job.round_sizes or [job.total // job.rounds] * job.rounds
    event = JobAccepted(workspace_id=workspace_id, job_id=job.id, traceparent=job.traceparent)
    pending = Pending(new_id(), JOBS, event.model_dump(mode="json"))
    rows = statement.run(
        engine,
        _INSERT.format(reads=along.reads, condition=along.condition, writes=along.writes),
        {
            "id": job.id,
            "workspace": workspace_id,
            "project": job.project_id,
            "kind": job.kind,
            "flow": job.flow,
            "rounds": job.rounds,
            "sizes": f"{{{','.join(map(str, sizes))}}}",
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
            "outbox": pending.id,
            "topic": JOBS,
            "event": json.dumps(pending.event),
            **along.parameters,
        },
    )
    if not rows:
        return None
    created_at, deadline_at = rows[0]
    view = JobView(
        id=job.id,
        project_id=job.project_id,
        kind=job.kind,
        state="running",
        version=1,
        subject_id=job.subject_id,
        seed=job.seed,
        simulated=job.simulated,
        items=Counts(total=job.total, done=0, failed=0, skipped=0),
        spend=Spend(spent_micros=0, reserved_micros=0, budget_micros=job.budget_micros),
        stop_reason=None,
        reasons=[],
        created_at=created_at,
        started_at=None,
        finished_at=None,
        deadline_at=deadline_at,
    )
    return Accepted(view, [pending])
