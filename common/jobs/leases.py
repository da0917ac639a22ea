"""Claims items and gives them up. A claim is a lease with a fencing token and a reservation of money.

Every statement that changes a job and its items locks the job's row first: budgets and counts are judged
on what is true at that moment, and no two statements wait for each other.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sqlalchemy import text

from common.database import statement
from common.database.engine import autocommit
from common.jobs.errors import ItemBusy, ItemNotFound, JobNotFound, OverBudget
from common.jobs.models import KINDS, Claim

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Engine


_names: dict[int, str] = {}


def owner(name: str | None = None) -> str:
    """The name under which this process holds leases: `name` on this machine, once it was given one.

    A process that takes the place of a dead one is given its name, and gives up what that one held. Without a
    name it is one that no other process has: all instances on Cloud Run think they are `localhost`, and number
    their processes alike.
    """
    pid = os.getpid()
    if name is not None:
        _names[pid] = f"{socket.gethostname()}:{name}"
    return _names.setdefault(pid, f"{socket.gethostname()}:{pid}:{os.urandom(4).hex()}")


_CLAIM = """
WITH job AS (
    SELECT *, extract(epoch FROM deadline_at - now()) AS seconds_left,
           budget_micros IS NULL OR spent_micros + reserved_micros + CAST(:reserve AS bigint) <= budget_micros
               AS affordable
    FROM jobs
    WHERE id = :job AND workspace_id = :workspace AND state = 'running' AND stop_reason IS NULL
      AND deadline_at > now()
    FOR UPDATE
), item AS (
    UPDATE job_items i
    SET state = 'leased', token = i.token + 1, attempts = i.attempts + 1, reserved_micros = :reserve,
        lease_owner = :owner, lease_until = now() + make_interval(secs => CAST(:lease AS float8)), updated_at = now()
    FROM job
    WHERE i.id = :item AND i.job_id = job.id AND i.state = 'ready' AND job.affordable
    RETURNING i.*
), reserved AS (
    UPDATE jobs j
    SET reserved_micros = j.reserved_micros + CAST(:reserve AS bigint), started_at = coalesce(j.started_at, now())
    FROM item WHERE j.id = item.job_id AND (CAST(:reserve AS bigint) > 0 OR j.started_at IS NULL)
)
SELECT job.affordable, job.project_id, item.id, item.token, job.kind, job.flow, job.rounds, item.position, item.round,
       item.attempts, item.persona_id, item.question_id, item.payload, job.spec, job.seed, job.subject_id,
       item.reserved_micros, CAST(job.seconds_left AS float8), job.traceparent,
       job.budget_micros IS NOT NULL
FROM job LEFT JOIN item ON true
"""


def claim(
    engine: Engine, workspace_id: UUID, job_id: UUID, item_id: UUID, *, kind: str, reserve_micros: int
) -> Claim | None:
    """Claims a ready item, in one statement that is its own transaction.

    Returns None when there is nothing to do: the item has ended, or its job has or is about to.
    Raises `ItemBusy` while another worker holds it or the money for it, `OverBudget` when the job cannot pay
    for it, and `JobNotFound` or `ItemNotFound`.
    """
    rows = statement.run(
        engine,
        _CLAIM,
        {
            "workspace": workspace_id,
            "job": job_id,
            "item": item_id,
            "reserve": reserve_micros,
            "owner": owner(),
            "lease": KINDS[kind].lease_seconds,
        },
    )
    affordable, project_id, claimed, *rest = rows[0] if rows else (True, None, None)
    if project_id is None or claimed is None:
        with autocommit(engine) as connection:
            _explain_refusal(
                connection, workspace_id, job_id, item_id, affordable=affordable, reserve_micros=reserve_micros
            )
        return None
    return Claim(workspace_id, project_id, job_id, claimed, *rest)


def _explain_refusal(
    connection: Connection, workspace_id: UUID, job_id: UUID, item_id: UUID, *, affordable: bool, reserve_micros: int
) -> None:
    job = connection.execute(
        text(
            "SELECT state, stop_reason, spent_micros, budget_micros FROM jobs"
            " WHERE id = :job AND workspace_id = :workspace"
        ),
        {"job": job_id, "workspace": workspace_id},
    ).one_or_none()
    if job is None:
        raise JobNotFound(f"there is no job {job_id}")
    item = connection.execute(
        text("SELECT state FROM job_items WHERE id = :item AND job_id = :job AND workspace_id = :workspace"),
        {"item": item_id, "job": job_id, "workspace": workspace_id},
    ).one_or_none()
    if item is None:
        raise ItemNotFound(f"job {job_id} has no item {item_id}")
    if job.state != "running" or job.stop_reason is not None:
        return
    if item.state == "ready" and not affordable:
        if job.spent_micros + reserve_micros > job.budget_micros:
            raise OverBudget(f"job {job_id} cannot pay for another item")
        raise ItemBusy(f"job {job_id} may afford item {item_id} once others have settled")
    if item.state == "leased":
        raise ItemBusy(f"item {item_id} is being worked on")


# A lease that was lost may have cost what was reserved for it, and nobody can say: it counts as spent.
_GIVE_UP = """
WITH job AS (
    SELECT id FROM jobs WHERE id IN (SELECT i.job_id FROM job_items i WHERE i.state = 'leased' AND {which})
    ORDER BY id FOR UPDATE
), lost AS (
    UPDATE job_items i
    SET state = 'ready', lease_until = NULL, lease_owner = NULL, updated_at = '-infinity',
        attempts = i.attempts - {uncounted}
    FROM job WHERE i.job_id = job.id AND i.state = 'leased' AND {which}
    RETURNING i.id, i.job_id, i.workspace_id, i.reserved_micros
), spent AS (
    UPDATE jobs j SET spent_micros = spent_micros + s.micros, reserved_micros = reserved_micros - s.micros
    FROM (SELECT job_id, sum(reserved_micros) AS micros FROM lost GROUP BY job_id) s
    WHERE j.id = s.job_id AND s.micros > 0
), calls AS (
    INSERT INTO llm_calls (workspace_id, job_id, item_id, purpose, provider, model, prompt_hash, input_tokens,
                           output_tokens, cached_tokens, cost_micros, latency_ms, cache_hit, simulated, outcome)
    SELECT workspace_id, job_id, id, 'unknown', 'unknown', 'unknown', '', 0, 0, 0, reserved_micros, 0, false, false,
           'lost' FROM lost WHERE reserved_micros > 0
)
SELECT count(*) FROM lost
"""

_EXPIRED = text(_GIVE_UP.format(which="i.lease_until < now()", uncounted="0"))
_OWNED = text(_GIVE_UP.format(which="i.lease_owner = :owner", uncounted="CAST(:uncounted AS int)"))


def expire(connection: Connection) -> int:
    """Frees the items of all workspaces whose lease has ended, for the sweeper to ask for again."""
    return int(connection.execute(_EXPIRED).scalar_one())


def give_up(connection: Connection, owner: str, *, counted: bool = True) -> int:
    """Frees the items a process held that has died, or is ending (`counted=False`: that was no attempt of
    theirs), for `fan_out.ask_again`."""
    return int(connection.execute(_OWNED, {"owner": owner, "uncounted": 0 if counted else 1}).scalar_one())
