"""Works on one item: claim, call, record. No connection is held in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.database import failures
from common.database.engine import autocommit
from common.errors import SightError
from common.jobs import leases, outcomes, spending, stops
from common.jobs.errors import JobNotOpen, OverBudget
from common.jobs.models import KINDS, MAX_ATTEMPTS, Claim, Effect
from common.llm.port import Calls
from common.shutdown import ShuttingDown

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Engine

    from common.events.models import AnalysisRequested, AnswerRequested, PersonaRequested
    from common.events.outbox import Relay

log = structlog.get_logger()

T = TypeVar("T")

RECORD_SECONDS = 10.0
"""What of a lease is kept for recording the result."""

Perform = Callable[[Claim, Calls, float], Effect]
"""Makes an item's result: takes the claim, the log for the calls it makes, and the `time.monotonic()`
instant by which it must be done; returns the SQL that writes the result."""

CLAIM_SECONDS = 10.0
"""How long to wait with a claim for a database that is away."""

RECONNECT_SECONDS = 0.5
"""How long to wait before trying again while the database is away."""


def work(
    event: PersonaRequested | AnswerRequested | AnalysisRequested,
    *,
    kind: str,
    reserve_micros: int,
    engine: Engine,
    relay: Relay,
    perform: Perform,
) -> None:
    """Makes the item an event asks for, if it is still to be made.

    Raises a retryable `SightError` when the delivery should come again: the item is then free. An item
    that fails for good, or for the last time it may, is recorded as failed with its reason. One that the end
    of this process interrupts is asked for again at once, as if it had not been tried. One with a call that the
    job cannot pay for stops the job.
    """
    try:
        claim = _claim(event, kind, reserve_micros, engine)
    except OverBudget:
        _stop_for_budget(event.workspace_id, event.job_id, engine, relay)
        return
    if claim is None:
        return
    calls = Calls(cover=spending.within_budget(engine, claim))
    lease_end = time.monotonic() + KINDS[kind].lease_seconds
    if claim.attempts > MAX_ATTEMPTS:
        _fail(
            claim, calls, lease_end, engine, relay, code="worker_lost", reason="the worker died each time it was tried"
        )
        return
    deadline = min(time.monotonic() + claim.seconds_left, lease_end - RECORD_SECONDS)
    try:
        effect = perform(claim, calls, deadline)
        pending = _persist(lambda: outcomes.finish(engine, claim, effect, calls.made), until=lease_end)
    except SightError as error:
        _give_back(claim, calls, lease_end, error, engine, relay)
        return
    except Exception as error:
        if failures.refuses_data(error):
            log.exception("result_refused", item_id=str(claim.item_id), job_id=str(claim.job_id))
            reason = "the database refuses what was to be recorded"
            _fail(claim, calls, lease_end, engine, relay, code="result_refused", reason=reason)
            return
        _persist(
            lambda: outcomes.release(engine, claim, code="internal", reason="an unexpected error", calls=calls.made),
            until=lease_end,
        )
        raise
    if pending is None:
        log.warning("lease_lost", item_id=str(claim.item_id), token=claim.token)
        return
    relay.send(pending)


def _claim(
    event: PersonaRequested | AnswerRequested | AnalysisRequested, kind: str, reserve_micros: int, engine: Engine
) -> Claim | None:
    """Claims the item, waiting a while for a database that restarts: it may have granted the claim before it went,
    and only who made it can have the lease before it ends."""
    claim_id = uuid4()
    return _persist(
        lambda: leases.claim(
            engine,
            event.workspace_id,
            event.job_id,
            event.item_id,
            kind=kind,
            reserve_micros=reserve_micros,
            claim_id=claim_id,
        ),
        until=time.monotonic() + CLAIM_SECONDS,
    )


def _give_back(claim: Claim, calls: Calls, lease_end: float, error: SightError, engine: Engine, relay: Relay) -> None:
    if isinstance(error, ShuttingDown):
        handed = _persist(
            lambda: outcomes.hand_over(engine, claim, code=error.code, reason=error.detail, calls=calls.made),
            until=lease_end,
        )
        log.info("item_handed_over", item_id=str(claim.item_id), job_id=str(claim.job_id))
        relay.send(handed)
        return
    counted = not (error.not_yet or isinstance(error, OverBudget))
    if isinstance(error, OverBudget):
        _release(claim, calls, lease_end, error, engine, counted=counted)
        _stop_for_budget(claim.workspace_id, claim.job_id, engine, relay)
        return
    if not error.retryable or (counted and claim.attempts >= MAX_ATTEMPTS):
        _fail(claim, calls, lease_end, engine, relay, code=error.code, reason=error.detail)
        return
    _release(claim, calls, lease_end, error, engine, counted=counted)
    raise error


def _release(claim: Claim, calls: Calls, lease_end: float, error: SightError, engine: Engine, *, counted: bool) -> None:
    due_in = error.retry_after or 0.0 if error.not_yet else 0.0
    _persist(
        lambda: outcomes.release(
            engine, claim, code=error.code, reason=error.detail, calls=calls.made, counted=counted, due_in=due_in
        ),
        until=lease_end,
    )


def _fail(
    claim: Claim, calls: Calls, lease_end: float, engine: Engine, relay: Relay, *, code: str, reason: str
) -> None:
    pending = _persist(
        lambda: outcomes.fail(engine, claim, code=code, reason=reason, calls=calls.made), until=lease_end
    )
    log.warning("item_failed", item_id=str(claim.item_id), job_id=str(claim.job_id), code=code, reason=reason)
    relay.send(pending or [])


def _persist(change: Callable[[], T], *, until: float) -> T:
    """Claims an item or records what became of it, and tries again while the database is away or in trouble.

    Otherwise a restart of the server would cost every call under way, and each item the rest of its lease. A
    repeat of what had arrived after all changes nothing, and answers what was not heard.
    """
    while True:
        try:
            return change()
        except (DBAPIError, PoolTimeout) as error:
            passing = isinstance(error, PoolTimeout) or failures.passes(error)
            if not passing or time.monotonic() + RECONNECT_SECONDS >= until:
                raise
            log.info("database_awaited", error=type(error).__name__)
        time.sleep(RECONNECT_SECONDS)


def _stop_for_budget(workspace_id: UUID, job_id: UUID, engine: Engine, relay: Relay) -> None:
    try:
        with autocommit(engine) as connection:
            pending = stops.stop(connection, workspace_id, job_id, "budget")
    except JobNotOpen:
        return
    relay.send(pending)
