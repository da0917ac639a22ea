"""Lays out a job's items in batches and asks for those whose turn it is. Resumable at any batch.

Where no event of it may be left, the sweeper asks again: for an item, for the rest of a layout, for a round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.bus.topology import JOBS
from common.database.engine import autocommit
from common.database.rows import insert_rows
from common.events import outbox
from common.events.models import JobAccepted, RoundCompleted
from common.ids import item_id
from common.jobs import stops
from common.jobs.errors import JobNotFound, JobNotOpen
from common.jobs.models import KINDS, NewItem

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.models import Event
    from common.events.outbox import Pending, Relay

BATCH = 500

MOST_ASKED = 30
"""How often in a row a job is asked to go on before it is ended: for an hour, which outlasts a bad deployment."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an expander is told: the job, and which positions to lay out (`start <= position < stop`)."""

    workspace_id: UUID
    project_id: UUID
    job_id: UUID
    subject_id: UUID | None
    spec: dict[str, Any]
    seed: int
    total: int
    rounds: int
    start: int
    stop: int


Expander = Callable[["Connection", Layout], Sequence[NewItem]]
"""Makes the items of a range of positions, the same ones each time it is asked."""


def expand(event: JobAccepted, *, engine: Engine, relay: Relay, expanders: dict[str, Expander]) -> None:
    """Lays out what is left of the job, each batch in its own transaction. Raises `JobNotFound`."""
    while True:
        with engine.begin() as connection:
            pending = _expand_batch(connection, event, expanders)
        if pending is None:
            return
        relay.send(pending)


def _expand_batch(connection: Connection, event: JobAccepted, expanders: dict[str, Expander]) -> list[Pending] | None:
    job = connection.execute(
        text("SELECT * FROM jobs WHERE id = :job AND workspace_id = :workspace FOR UPDATE"),
        {"job": event.job_id, "workspace": event.workspace_id},
    ).one_or_none()
    if job is None:
        raise JobNotFound(f"there is no job {event.job_id}")
    if job.state != "running" or job.stop_reason is not None or job.expanded >= job.total:
        return None
    # A batch holds whole chains: an item must find the one after it when it ends.
    batch = max(BATCH // job.rounds, 1) * job.rounds
    stop = min(job.expanded + batch, job.total)
    items = expanders[job.kind](
        connection,
        Layout(
            workspace_id=event.workspace_id,
            project_id=job.project_id,
            job_id=event.job_id,
            subject_id=job.subject_id,
            spec=job.spec,
            seed=job.seed,
            total=job.total,
            rounds=job.rounds,
            start=job.expanded,
            stop=stop,
        ),
    )
    due = _open_round(connection, event.workspace_id, event.job_id) if job.flow == "rounds" else 0
    insert_rows(
        connection,
        "job_items",
        {
            "id": "uuid",
            "workspace_id": "uuid",
            "job_id": "uuid",
            "position": "int",
            "round": "int",
            "state": "text",
            "persona_id": "uuid",
            "question_id": "uuid",
            "payload": "jsonb",
        },
        [
            (
                item_id(event.job_id, item.position),
                event.workspace_id,
                event.job_id,
                item.position,
                item.round,
                "ready" if item.round == due else "waiting",
                item.persona_id,
                item.question_id,
                item.payload,
            )
            for item in items
        ],
    )
    connection.execute(
        text("UPDATE jobs SET expanded = :stop WHERE id = :job AND workspace_id = :workspace"),
        {"stop": stop, "job": event.job_id, "workspace": event.workspace_id},
    )
    ready = [item_id(event.job_id, item.position) for item in items if item.round == due]
    return _ask_for(connection, event.workspace_id, event.job_id, job.kind, ready, event.traceparent)


def open_next_round(event: RoundCompleted, *, engine: Engine, relay: Relay) -> None:
    """Makes the items of the round that is next ready and asks for them; a repeated event finds none waiting.
    Raises `JobNotFound`."""
    with engine.begin() as connection:
        job = connection.execute(
            text("SELECT kind, state, stop_reason FROM jobs WHERE id = :job AND workspace_id = :workspace FOR UPDATE"),
            {"job": event.job_id, "workspace": event.workspace_id},
        ).one_or_none()
        if job is None:
            raise JobNotFound(f"there is no job {event.job_id}")
        if job.state != "running" or job.stop_reason is not None:
            return
        due = _open_round(connection, event.workspace_id, event.job_id)
        ids = connection.scalars(
            text("""
                UPDATE job_items SET state = 'ready', updated_at = now()
                WHERE job_id = :job AND workspace_id = :workspace AND round = :due AND state = 'waiting'
                RETURNING id
            """),
            {"job": event.job_id, "workspace": event.workspace_id, "due": due},
        ).all()
        pending = _ask_for(connection, event.workspace_id, event.job_id, job.kind, ids, event.traceparent)
    relay.send(pending)


def _open_round(connection: Connection, workspace_id: UUID, job_id: UUID) -> int | None:
    """The round whose turn it is, the first with open items; the caller holds the job's row, or it may have moved on.

    Which one that is does not follow from the round that ended: the event of that may come again when others have
    ended since, and of a job that runs again some rounds have nothing left to do.
    """
    due: int | None = connection.execute(
        text("SELECT min(round) FROM job_rounds WHERE job_id = :job AND workspace_id = :workspace AND open > 0"),
        {"job": job_id, "workspace": workspace_id},
    ).scalar_one()
    return due


def _ask_for(
    connection: Connection,
    workspace_id: UUID,
    job_id: UUID,
    kind: str,
    item_ids: Sequence[UUID],
    traceparent: str,
) -> list[Pending]:
    """The events that ask for items, written to the outbox."""
    asked = KINDS[kind]
    return outbox.put(
        connection,
        workspace_id,
        [
            (asked.topic, asked.event(workspace_id=workspace_id, job_id=job_id, item_id=item, traceparent=traceparent))
            for item in item_ids
        ],
    )


def ask_again(connection: Connection, older_than_seconds: float, limit: int) -> list[Pending]:
    """Asks again for ready items, of all workspaces, that nobody has come for in this time."""
    rows = connection.execute(
        text("""
            UPDATE job_items i SET updated_at = now()
            FROM jobs j
            WHERE j.id = i.job_id AND j.state = 'running' AND j.stop_reason IS NULL AND i.id IN (
                SELECT id FROM job_items
                WHERE state = 'ready' AND updated_at < now() - make_interval(secs => :age)
                ORDER BY updated_at LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING i.id, i.workspace_id, i.job_id, j.kind, j.traceparent
        """),
        {"age": older_than_seconds, "limit": limit},
    ).all()
    pending: list[Pending] = []
    for row in rows:
        pending += _ask_for(connection, row.workspace_id, row.job_id, row.kind, [row.id], row.traceparent)
    return pending


_UNHEARD = text("""
    WITH unheard AS (
        SELECT j.id, j.expanded < j.total AS partly_laid_out, due.round AS due, (
            SELECT count(*) FROM job_events a WHERE a.job_id = j.id AND a.sequence > (
                SELECT max(o.sequence) FROM job_events o WHERE o.job_id = j.id AND o.type <> 'asked_again')) AS asked
        FROM jobs j JOIN job_events e ON e.job_id = j.id AND e.sequence = j.version
        LEFT JOIN LATERAL (
            SELECT min(r.round) AS round FROM job_rounds r WHERE r.job_id = j.id AND r.open > 0) due ON true
        WHERE j.finished_at IS NULL AND j.stop_reason IS NULL
          AND e.created_at < now() - make_interval(secs => :age)
          AND (j.expanded < j.total OR j.flow = 'rounds' AND EXISTS (
              SELECT 1 FROM job_items i WHERE i.job_id = j.id AND i.round = due.round AND i.state = 'waiting'))
          AND j.id NOT IN (SELECT CAST(event ->> 'job_id' AS uuid) FROM outbox WHERE topic = :topic)
        LIMIT :limit FOR UPDATE OF j SKIP LOCKED
    ), job AS (
        UPDATE jobs j SET version = j.version + 1 FROM unheard WHERE j.id = unheard.id
        RETURNING j.id, j.workspace_id, j.version, j.traceparent, unheard.partly_laid_out, unheard.due,
            unheard.asked
    ), event AS (
        INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
        SELECT id, version, workspace_id, 'asked_again', '{}' FROM job
    )
    SELECT * FROM job
""")


def go_on(connection: Connection, older_than_seconds: float, limit: int) -> list[Pending]:
    """Asks again for what carries open jobs on, of all workspaces, where nothing was heard of them in this time and
    no event of it waits to be published: for the layout of those not laid out whole, and for the round whose turn
    it is where its items wait although the rounds before have ended.

    That it asked is an event of the job, so that it asks once in this time however long nobody answers. Where nothing
    came of it `MOST_ASKED` times in a row, what should carry the job on dies of it, and others' work with it: the
    job ends, and can be resumed.
    """
    rows = connection.execute(_UNHEARD, {"age": older_than_seconds, "topic": JOBS, "limit": limit}).all()
    pending: list[Pending] = []
    for row in rows:
        if row.asked >= MOST_ASKED:
            pending += _stop_unable(connection, row.workspace_id, row.id, f"nothing came of asking {row.asked} times")
            continue
        common = {"workspace_id": row.workspace_id, "job_id": row.id, "traceparent": row.traceparent}
        events: list[tuple[str, Event]] = []
        if row.partly_laid_out:
            events.append((JOBS, JobAccepted(**common)))
        if row.due:
            events.append((JOBS, RoundCompleted(round=row.due - 1, **common)))
        pending += outbox.put(connection, row.workspace_id, events)
    return pending


def give_up(event: JobAccepted | RoundCompleted, cause: str, *, engine: Engine, relay: Relay) -> None:
    """Ends a job whose layout or round nobody can make, with the cause among its reasons; what is under way may
    still be recorded. A job that is not there or has ended stays as it is."""
    try:
        with autocommit(engine) as connection:
            pending = _stop_unable(connection, event.workspace_id, event.job_id, cause)
    except (JobNotFound, JobNotOpen):
        return
    relay.offer(pending)


def _stop_unable(connection: Connection, workspace_id: UUID, job_id: UUID, cause: str) -> list[Pending]:
    return stops.stop(connection, workspace_id, job_id, "error", detail=f"{stops.REASONS['error']}: {cause}")
