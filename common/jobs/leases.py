"""Claims items and gives them up. A claim is a lease with a fencing token and a reservation of money.

Every statement that changes a job and its items locks the job's row first: budgets and counts are judged
on what is true at that moment, and no two statements wait for each other.
"""

from __future__ import annotations

import os
import random
import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import text

from common.database import statement
from common.database.engine import autocommit
from common.jobs.errors import ItemBusy, ItemNotFound, JobNotFound, OverBudget
from common.jobs.models import KINDS, Claim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection, Engine


EXPIRY_SECONDS = 5.0
"""When to come again for an item whose lease has ended, and is yet to be freed."""

SETTLING_SECONDS = (5.0, 30.0)
"""When to come again for an item that others hold the money for: spread out, since a thousand may wait so."""

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


_COLUMNS = """job.project_id, item.id, item.token, job.kind, job.flow, job.rounds, item.position, item.round,
       item.attempts, item.persona_id, item.question_id, item.payload, job.spec, job.seed, job.subject_id,
       item.reserved_micros, CAST(extract(epoch FROM job.deadline_at - now()) AS float8), job.traceparent,
       job.budget_micros IS NOT NULL"""
"""What a claim is made of, from an item and its job."""

_CLAIM = f"""
WITH job AS (
    SELECT *, budget_micros IS NULL OR spent_micros + reserved_micros + CAST(:reserve AS bigint) <= budget_micros
               AS affordable
    FROM jobs
    WHERE id = :job AND workspace_id = :workspace AND state = 'running' AND stop_reason IS NULL
      AND deadline_at > now()
    FOR UPDATE
), item AS (
    UPDATE job_items i
    SET state = 'leased', token = i.token + 1, attempts = i.attempts + 1, reserved_micros = :reserve,
        lease_owner = :owner, claim_id = CAST(:claim AS uuid), updated_at = now(),
        lease_until = now() + make_interval(secs => CAST(:lease AS float8))
    FROM job
    WHERE i.id = :item AND i.job_id = job.id AND i.state = 'ready' AND job.affordable
    RETURNING i.*
), reserved AS (
    UPDATE jobs j
    SET reserved_micros = j.reserved_micros + CAST(:reserve AS bigint), started_at = coalesce(j.started_at, now())
    FROM item WHERE j.id = item.job_id AND (CAST(:reserve AS bigint) > 0 OR j.started_at IS NULL)
)
SELECT job.affordable, {_COLUMNS}
FROM job LEFT JOIN item ON true
"""

_OWN = f"""
SELECT {_COLUMNS}
FROM job_items item JOIN jobs job ON job.id = item.job_id
WHERE item.id = :item AND item.job_id = :job AND item.workspace_id = :workspace AND item.state = 'leased'
  AND item.claim_id = :claim
"""


def claim(
    engine: Engine,
    workspace_id: UUID,
    job_id: UUID,
    item_id: UUID,
    *,
    kind: str,
    reserve_micros: int,
    claim_id: UUID | None = None,
) -> Claim | None:
    """Claims a ready item, in one statement that is its own transaction.

    `claim_id`, new for each claim, lets one that was carried out be repeated when its reply was lost: the caller
    gets the lease that it has already. Returns None when there is nothing to do: the item has ended, or its job
    has or is about to. Raises `ItemBusy` while another worker holds it or the money for it, `OverBudget` when the
    job cannot pay for it, `JobNotFound` or `ItemNotFound`, and `sqlalchemy.exc.DBAPIError`.
    """
    parameters = {
        "workspace": workspace_id,
        "job": job_id,
        "item": item_id,
        "reserve": reserve_micros,
        "owner": owner(),
        "claim": claim_id or uuid4(),
        "lease": KINDS[kind].lease_seconds,
    }
    rows = statement.run_repeatable(engine, _CLAIM, parameters)
    answer: list[Any] = rows[0] if rows else [True, None, None]
    affordable, *found = answer
    if found[1] is None:
        if not _is_own(engine, parameters, affordable=affordable):
            return None
        rows = statement.run(engine, _OWN, parameters)
        if not rows:
            raise ItemBusy(f"the lease of item {item_id} was lost")
        found = rows[0]
    project_id, *rest = found
    return Claim(workspace_id, project_id, job_id, *rest)


def _is_own(engine: Engine, parameters: Mapping[str, Any], *, affordable: bool) -> bool:
    """Whether a claim that was refused had been granted before. Raises what the refusal means otherwise, unless
    that there is nothing to do."""
    with autocommit(engine) as connection:
        found = connection.execute(_REFUSED, parameters).one_or_none()
    job_id, item_id = parameters["job"], parameters["item"]
    if found is None:
        raise JobNotFound(f"there is no job {job_id}")
    if found.item_state is None:
        raise ItemNotFound(f"job {job_id} has no item {item_id}")
    if found.item_state == "leased" and found.claim_id == parameters["claim"]:
        return True
    if found.state != "running" or found.stop_reason is not None or found.overdue:
        return False
    if found.item_state == "leased":
        raise ItemBusy(f"item {item_id} is being worked on", retry_after=max(EXPIRY_SECONDS, found.lease_left))
    if found.item_state == "ready" and not affordable:
        if found.spent_micros + parameters["reserve"] > found.budget_micros:
            raise OverBudget(f"job {job_id} cannot pay for another item")
        wait = random.uniform(*SETTLING_SECONDS)
        with autocommit(engine) as connection:
            connection.execute(_DUE, {**parameters, "wait": wait})
        raise ItemBusy(f"job {job_id} may afford item {item_id} once others have settled", retry_after=wait)
    if found.item_state == "ready":
        raise ItemBusy(f"item {item_id} was given back a moment ago")
    return False


_REFUSED = text("""
    SELECT j.state, j.stop_reason, j.deadline_at <= now() AS overdue, j.spent_micros, j.budget_micros,
           i.state AS item_state, i.claim_id,
           CAST(extract(epoch FROM i.lease_until - now()) AS float8) AS lease_left
    FROM jobs j LEFT JOIN job_items i ON i.id = :item AND i.job_id = j.id AND i.workspace_id = j.workspace_id
    WHERE j.id = :job AND j.workspace_id = :workspace
""")

_DUE = text("""
    UPDATE job_items SET updated_at = now() + make_interval(secs => :wait)
    WHERE id = :item AND workspace_id = :workspace AND state = 'ready'
""")
"""Has the sweeper not miss an item whose event comes again: each time it did, one more event would go round."""


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
