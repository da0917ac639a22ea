"""Records what became of an item, in one statement: the result, the calls it took, the job's counts, what
may run next and the events that say so.

One statement, because the job's row is locked while it runs: with 4,000 items that lock is taken 4,000
times, and a lock held across round trips of a busy client would make the items queue for it.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from common.bus.topology import EVENTS, JOBS, RESULTS
from common.database import statement
from common.events.models import JobFinished, RoundCompleted
from common.events.outbox import Pending
from common.ids import item_id
from common.jobs.models import KINDS
from common.usage.store import INSERT_CALLS, calls_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from common.jobs.models import Claim, Effect
    from common.llm.port import Call

TERMINAL_STATE = """
    CASE WHEN {done} + {failed} + {skipped} < j.total THEN j.state
         WHEN j.stop_reason = 'cancelled' THEN 'cancelled'
         WHEN {done} = j.total THEN 'completed'
         WHEN {done} > 0 OR j.stop_reason = 'budget' THEN 'partial'
         ELSE 'failed' END
"""
"""The state of job `j` once its counts are these. A job that reached its budget is `partial` even with nothing
done: it did what it was given money for, and goes on with more."""

FINISHED_EVENTS = """
    SELECT t.topic, CAST(:finished_event AS jsonb) || jsonb_build_object(
               'state', job.state, 'kind', job.kind, 'total', job.total, 'done', job.done, 'failed', job.failed,
               'skipped', job.skipped, 'traceparent', job.traceparent) AS event
    FROM job, unnest(ARRAY[CAST(:results_topic AS text), CAST(:events_topic AS text)]) AS t(topic)
    WHERE job.state <> 'running'
"""
"""The events that announce the end of the job in the CTE `job`."""

_SENT_ID = "CAST(md5(concat_ws(':', CAST(:item AS uuid), CAST(:token AS int), n)) AS uuid)"
"""The outbox id of the `n`-th event that a claim sends, which a repeat of the claim's statement can tell."""

_FINISH = """
WITH locked AS (
    SELECT id FROM jobs WHERE id = :job AND workspace_id = :workspace FOR UPDATE
), item AS (
    UPDATE job_items i
    SET state = :state, lease_until = NULL, lease_owner = NULL, reason_code = :code, reason = :reason,
        updated_at = now(), finished_at = now()
    FROM locked WHERE i.id = :item AND i.job_id = locked.id AND i.state = 'leased' AND i.token = :token
    RETURNING i.id, i.workspace_id, i.job_id, i.position, i.round, i.persona_id, i.question_id, i.reserved_micros
), result AS (
    {effect}
), calls AS (
    {calls}
), next AS (
    UPDATE job_items n SET state = 'ready', updated_at = now()
    FROM item WHERE n.id = CAST(:next_id AS uuid) AND n.state = 'waiting'
    RETURNING n.id
), round AS (
    UPDATE job_rounds r SET open = r.open - 1
    FROM item WHERE r.job_id = item.job_id AND r.round = item.round
    RETURNING r.open
), job AS (
    UPDATE jobs j
    SET done = j.done + CAST(:done AS int), failed = j.failed + CAST(:failed AS int), version = j.version + 1,
        spent_micros = j.spent_micros + CAST(:cost AS bigint),
        reserved_micros = j.reserved_micros - item.reserved_micros,
        state = {state},
        finished_at = CASE WHEN j.done + j.failed + j.skipped + 1 >= j.total THEN now() END
    FROM item WHERE j.id = item.job_id
    RETURNING j.id, j.workspace_id, j.version, j.state, j.kind, j.total, j.done, j.failed, j.skipped, j.traceparent
), event AS (
    INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
    SELECT job.id, job.version, job.workspace_id, CAST(:event_type AS text),
           CAST(:event_payload AS jsonb) || jsonb_build_object('state', job.state) FROM job
), outgoing AS (
    SELECT CAST(:next_topic AS text) AS topic, CAST(:next_event AS jsonb) AS event FROM next
    UNION ALL
    SELECT CAST(:jobs_topic AS text), CAST(:round_event AS jsonb) FROM round, job
    WHERE round.open = 0 AND job.state = 'running'
    UNION ALL
    {finished_events}
), sent AS (
    INSERT INTO outbox (id, workspace_id, topic, event)
    SELECT {sent_id}, CAST(:workspace AS uuid), topic, event
    FROM (SELECT *, row_number() OVER () AS n FROM outgoing) numbered
    RETURNING id, topic, event
)
SELECT sent.id, sent.topic, sent.event FROM item LEFT JOIN sent ON true
"""


def finish(engine: Engine, claim: Claim, effect: Effect, calls: Sequence[Call]) -> list[Pending] | None:
    """Records the item as done with its result, in a transaction of its own.

    Returns the events to publish, the same when it is repeated because its reply was lost, or None when the claim
    no longer stands: then nothing was written.
    """
    return _record(engine, claim, "done", None, None, effect.sql, effect.parameters, calls)


def fail(engine: Engine, claim: Claim, *, code: str, reason: str, calls: Sequence[Call]) -> list[Pending] | None:
    """Records the item as failed for this reason; otherwise as `finish`."""
    return _record(engine, claim, "failed", code, reason, "SELECT 1", {}, calls)


def _record(
    engine: Engine,
    claim: Claim,
    state: str,
    code: str | None,
    reason: str | None,
    effect: str,
    effect_parameters: Any,
    calls: Sequence[Call],
) -> list[Pending] | None:
    kind = KINDS[claim.kind]
    next_id = (
        item_id(claim.job_id, claim.position + 1) if claim.flow == "chain" and claim.round + 1 < claim.rounds else None
    )
    common = {"workspace_id": claim.workspace_id, "job_id": claim.job_id, "traceparent": claim.traceparent}
    next_event = kind.event(item_id=next_id, **common).model_dump_json() if next_id else "{}"
    round_event = RoundCompleted(round=claim.round, **common).model_dump_json() if claim.flow == "rounds" else "{}"
    payload: dict[str, Any] = {"item_id": str(claim.item_id), "position": claim.position, "round": claim.round}
    if code is not None:
        payload |= {"code": code, "reason": reason}
    rows = statement.run(
        engine,
        _finish_with(effect),
        {
            "workspace": claim.workspace_id,
            "job": claim.job_id,
            "item": claim.item_id,
            "token": claim.token,
            "state": state,
            "code": code,
            "reason": reason,
            "next_id": next_id,
            "done": int(state == "done"),
            "failed": int(state == "failed"),
            "cost": sum(call.cost_micros for call in calls),
            "calls": calls_json(calls),
            "event_type": f"item_{state}",
            "event_payload": json.dumps(payload),
            "next_topic": kind.topic,
            "next_event": next_event,
            "jobs_topic": JOBS,
            "round_event": round_event,
            **finished_parameters(claim.workspace_id, claim.job_id),
            **effect_parameters,
        },
    )
    return _pending(rows) if rows else _recorded(engine, claim, state)


def _pending(rows: Sequence[Sequence[Any]]) -> list[Pending]:
    return [Pending(id_, topic, event) for id_, topic, event in rows if id_ is not None]


_RECORDED = f"""
SELECT sent.id, sent.topic, sent.event
FROM job_items i
LEFT JOIN outbox sent ON sent.id IN (SELECT {_SENT_ID} FROM generate_series(1, 4) AS n)
WHERE i.id = :item AND i.job_id = :job AND i.workspace_id = :workspace AND i.token = :token AND i.state = :state
"""


def _recorded(engine: Engine, claim: Claim, state: str) -> list[Pending] | None:
    """What this claim left to publish where it had brought its item into this state before, in a statement whose
    reply was lost; None where it had not."""
    rows = statement.run(
        engine,
        _RECORDED,
        {
            "workspace": claim.workspace_id,
            "job": claim.job_id,
            "item": claim.item_id,
            "token": claim.token,
            "state": state,
        },
    )
    return _pending(rows) if rows else None


@cache
def _finish_with(effect: str) -> str:
    return _FINISH.format(
        effect=effect,
        calls=INSERT_CALLS,
        finished_events=FINISHED_EVENTS,
        sent_id=_SENT_ID,
        state=TERMINAL_STATE.format(
            done="(j.done + CAST(:done AS int))", failed="(j.failed + CAST(:failed AS int))", skipped="j.skipped"
        ),
    )


def finished_parameters(workspace_id: Any, job_id: Any) -> dict[str, Any]:
    """The parameters of `FINISHED_EVENTS`."""
    event = JobFinished(
        workspace_id=workspace_id,
        job_id=job_id,
        kind="",
        state="",
        total=0,
        done=0,
        failed=0,
        skipped=0,
    )
    return {"finished_event": event.model_dump_json(), "results_topic": RESULTS, "events_topic": EVENTS}


_RELEASE = f"""
WITH locked AS (
    SELECT id FROM jobs WHERE id = :job AND workspace_id = :workspace FOR UPDATE
), item AS (
    UPDATE job_items i
    SET state = 'ready', lease_until = NULL, lease_owner = NULL, reason_code = :code, reason = :reason,
        updated_at = now() + make_interval(secs => CAST(:due_in AS float8)),
        attempts = i.attempts - CAST(:uncounted AS int)
    FROM locked WHERE i.id = :item AND i.job_id = locked.id AND i.state = 'leased' AND i.token = :token
    RETURNING i.id, i.workspace_id, i.job_id, i.reserved_micros
), calls AS (
    {INSERT_CALLS}
), job AS (
    UPDATE jobs j
    SET spent_micros = j.spent_micros + CAST(:cost AS bigint),
        reserved_micros = j.reserved_micros - item.reserved_micros
    FROM item WHERE j.id = item.job_id
)
INSERT INTO outbox (id, workspace_id, topic, event)
SELECT {_SENT_ID}, item.workspace_id, CAST(:topic AS text), CAST(:event AS jsonb)
FROM item, (SELECT 1 AS n) one WHERE CAST(:event AS jsonb) IS NOT NULL
RETURNING id, topic, event
"""


def release(
    engine: Engine,
    claim: Claim,
    *,
    code: str,
    reason: str,
    calls: Sequence[Call],
    counted: bool = True,
    due_in: float = 0.0,
) -> None:
    """Gives the item back to be tried again, keeping what the attempt cost; in a transaction of its own.

    An attempt that failed through no fault of its own (`counted=False`) does not use up one of the item's. One that
    will be asked for `due_in` seconds from now is not missed by the sweeper before.
    """
    _free(engine, claim, code=code, reason=reason, calls=calls, counted=counted, event=None, due_in=due_in)


def hand_over(engine: Engine, claim: Claim, *, code: str, reason: str, calls: Sequence[Call]) -> list[Pending]:
    """Gives the item back as `release` does, not counted, and returns the event to publish that asks another
    process for it."""
    event = KINDS[claim.kind].event(
        workspace_id=claim.workspace_id, job_id=claim.job_id, item_id=claim.item_id, traceparent=claim.traceparent
    )
    return _free(engine, claim, code=code, reason=reason, calls=calls, counted=False, event=event.model_dump_json())


def _free(
    engine: Engine,
    claim: Claim,
    *,
    code: str,
    reason: str,
    calls: Sequence[Call],
    counted: bool,
    event: str | None,
    due_in: float = 0.0,
) -> list[Pending]:
    rows = statement.run(
        engine,
        _RELEASE,
        {
            "workspace": claim.workspace_id,
            "job": claim.job_id,
            "item": claim.item_id,
            "token": claim.token,
            "code": code,
            "reason": reason,
            "uncounted": 0 if counted else 1,
            "calls": calls_json(calls),
            "cost": sum(call.cost_micros for call in calls),
            "topic": KINDS[claim.kind].topic,
            "event": event,
            "due_in": due_in,
        },
    )
    if event is None or rows:
        return _pending(rows)
    return _recorded(engine, claim, "ready") or []
