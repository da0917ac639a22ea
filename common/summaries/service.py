"""Starts the summary of a finished focus group, and lays out its items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import text

from common.database.engine import autocommit
from common.ids import new_id
from common.jobs import accept
from common.jobs.errors import JobNotFound
from common.jobs.models import NewItem, NewJob
from common.summaries import group
from common.summaries.portions import FAN_IN, PORTION_TOKENS, Portion, divide, levels, steps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.models import JobFinished
    from common.events.outbox import Pending, Relay
    from common.jobs.fan_out import Layout

log = structlog.get_logger()

KIND = "summary"


@dataclass(frozen=True, slots=True)
class Begun:
    """The summary's job, or why there is none."""

    job_id: UUID | None
    reason: str | None = None


def begin_summary(
    event: JobFinished,
    engine: Engine,
    relay: Relay,
    *,
    portion_tokens: int = PORTION_TOKENS,
    fan_in: int = FAN_IN,
) -> Begun:
    """Accepts the summary of the focus group whose job has ended, once for each time it ends.

    A summary that was completed by retrying what failed of it is made anew, from the portions already
    read: its report was made without them. Jobs of other kinds have no summary. Raises `JobNotFound`.
    """
    if event.kind not in ("focus_group", KIND):
        return Begun(None, f"a job of kind {event.kind} has no summary")
    begun, pending = _accept(engine, event, portion_tokens, fan_in)
    if begun.job_id is None and event.kind != KIND:
        log.info("no_summary", job_id=str(event.job_id), reason=begun.reason)
    relay.offer(pending)
    return begun


def expand(_connection: Connection, layout: Layout) -> list[NewItem]:
    """The items of a summary: its portions' readers, and what merges them."""
    planned = steps(len(layout.spec["portions"]), layout.spec["fan_in"])
    return [NewItem(position=position, round=planned[position].round) for position in range(layout.start, layout.stop)]


def _accept(engine: Engine, event: JobFinished, portion_tokens: int, fan_in: int) -> tuple[Begun, list[Pending]]:
    with autocommit(engine) as connection:
        job, reason = _planned(connection, event, portion_tokens, fan_in)
    if job is None:
        return Begun(None, reason), []
    accepted = accept.accept(engine, event.workspace_id, job)
    if accepted is None:
        earlier = accept.find_repeat(engine, event.workspace_id, job.idempotency_key, job.request_hash)
        return Begun(None if earlier is None else earlier.id), []
    return Begun(job.id), accepted.pending


def _planned(
    connection: Connection, event: JobFinished, portion_tokens: int, fan_in: int
) -> tuple[NewJob | None, str | None]:
    """The summary's job, or why there is none."""
    workspace_id = event.workspace_id
    parent = connection.execute(
        text("""
            SELECT j.*, p.deleted_at IS NOT NULL AS project_deleted
            FROM jobs j JOIN projects p ON p.id = j.project_id WHERE j.id = :job AND j.workspace_id = :workspace
        """),
        {"job": event.job_id, "workspace": workspace_id},
    ).one_or_none()
    if parent is None:
        raise JobNotFound(f"there is no job {event.job_id}")
    if parent.state == "running":
        return None, "the job runs again"
    if parent.state == "cancelled":
        return None, "the job was cancelled"
    if parent.project_deleted:
        return None, "the project was deleted"
    if parent.kind == KIND:
        spec, reason = _anew(connection, workspace_id, parent)
    else:
        spec, reason = _plan(connection, workspace_id, parent, portion_tokens, fan_in)
    if spec is None:
        return None, reason
    group_id = spec["focus_group_id"]
    rounds = levels(len(spec["portions"]), spec["fan_in"])
    job = NewJob(
        id=new_id(),
        project_id=parent.project_id,
        kind=KIND,
        flow="rounds" if len(rounds) > 1 else "parallel",
        total=sum(rounds),
        rounds=len(rounds),
        round_sizes=rounds,
        spec=spec,
        seed=parent.seed,
        simulated=parent.simulated,
        subject_id=group_id,
        idempotency_key=f"summary:{parent.id}:{parent.version}",
        request_hash=accept.request_hash(KIND, {"job_id": str(parent.id), "version": parent.version}),
        budget_micros=_budget_left(connection, workspace_id, parent, group_id),
        traceparent=event.traceparent,
    )
    return job, None


def _plan(
    connection: Connection, workspace_id: UUID, parent: Any, portion_tokens: int, fan_in: int
) -> tuple[dict[str, Any] | None, str | None]:
    """What the summary of the group of a finished job must know."""
    group_id = connection.execute(
        text("""
            SELECT id FROM focus_groups
            WHERE workspace_id = :workspace AND project_id = :project AND job_id = :job
        """),
        {"workspace": workspace_id, "project": parent.project_id, "job": parent.id},
    ).scalar_one_or_none()
    if group_id is None:
        return None, "the job has no focus group"
    portions = divide(group.sizes(connection, workspace_id, group_id), portion_tokens)
    if not portions:
        return None, "the group has no answers"
    return _spec(group_id, portions, fan_in), None


def _anew(connection: Connection, workspace_id: UUID, parent: Any) -> tuple[dict[str, Any] | None, str | None]:
    """What a summary must know that repeats one whose report lacks portions which were read later."""
    lacking = connection.execute(
        text("""
            SELECT jsonb_array_length(report -> 'coverage' -> 'missing') FROM summaries
            WHERE workspace_id = :workspace AND focus_group_id = :group AND job_id = :job
        """),
        {"workspace": workspace_id, "group": parent.subject_id, "job": parent.id},
    ).scalar_one_or_none()
    if parent.state != "completed" or not lacking:
        return None, "the summary lacks nothing that can be had"
    return parent.spec | {"parts_of": str(parent.id)}, None


def _spec(group_id: UUID, portions: Sequence[Portion], fan_in: int) -> dict[str, Any]:
    return {
        "focus_group_id": str(group_id),
        "portions": [[p.persona, p.question, p.answers, p.last_persona] for p in portions],
        "fan_in": fan_in,
    }


def _budget_left(connection: Connection, workspace_id: UUID, parent: Any, group_id: str) -> int | None:
    """What is left of the group's budget after its answers and earlier summaries; None without a budget."""
    if parent.budget_micros is None:
        return None
    if parent.kind == KIND:
        return max(int(parent.budget_micros - parent.spent_micros), 0)
    spent = connection.execute(
        text("""
            SELECT coalesce(sum(spent_micros + reserved_micros), 0) FROM jobs
            WHERE workspace_id = :workspace AND project_id = :project AND kind = :kind AND subject_id = :group
        """),
        {"workspace": workspace_id, "project": parent.project_id, "kind": KIND, "group": group_id},
    ).scalar_one()
    return max(int(parent.budget_micros - parent.spent_micros - spent), 0)
