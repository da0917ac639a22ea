"""Works on one item: claim, call, record. No connection is held in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from common.database.engine import autocommit
from common.errors import SightError
from common.jobs import leases, outcomes, stops
from common.jobs.errors import JobNotOpen, OverBudget
from common.jobs.models import KINDS, MAX_ATTEMPTS, Claim, Effect
from common.llm.port import Calls, RateLimited

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.events.models import AnalysisRequested, AnswerRequested, PersonaRequested
    from common.events.outbox import Relay

log = structlog.get_logger()

RECORD_SECONDS = 10.0
"""What of a lease is kept for recording the result."""

Perform = Callable[[Claim, Calls, float], Effect]
"""Makes an item's result: takes the claim, the log for the calls it makes, and the `time.monotonic()`
instant by which it must be done; returns the SQL that writes the result."""


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
    that fails for good, or for the last time it may, is recorded as failed with its reason.
    """
    try:
        claim = leases.claim(
            engine, event.workspace_id, event.job_id, event.item_id, kind=kind, reserve_micros=reserve_micros
        )
    except OverBudget:
        _stop_for_budget(event, engine, relay)
        return
    if claim is None:
        return
    calls = Calls()
    if claim.attempts > MAX_ATTEMPTS:
        _fail(claim, calls, engine, relay, code="worker_lost", reason="the worker died each time it was tried")
        return
    deadline = time.monotonic() + min(claim.seconds_left, KINDS[kind].lease_seconds - RECORD_SECONDS)
    try:
        effect = perform(claim, calls, deadline)
    except SightError as error:
        _give_back(claim, calls, error, engine, relay)
        return
    except Exception:
        outcomes.release(engine, claim, code="internal", reason="an unexpected error", calls=calls.made)
        raise
    pending = outcomes.finish(engine, claim, effect, calls.made)
    if pending is None:
        log.warning("lease_lost", item_id=str(claim.item_id), token=claim.token)
        return
    relay.send(pending)


def _give_back(claim: Claim, calls: Calls, error: SightError, engine: Engine, relay: Relay) -> None:
    counted = not isinstance(error, RateLimited)
    if not error.retryable or (counted and claim.attempts >= MAX_ATTEMPTS):
        _fail(claim, calls, engine, relay, code=error.code, reason=error.detail)
        return
    outcomes.release(engine, claim, code=error.code, reason=error.detail, calls=calls.made, counted=counted)
    raise error


def _fail(claim: Claim, calls: Calls, engine: Engine, relay: Relay, *, code: str, reason: str) -> None:
    pending = outcomes.fail(engine, claim, code=code, reason=reason, calls=calls.made)
    log.warning("item_failed", item_id=str(claim.item_id), job_id=str(claim.job_id), code=code, reason=reason)
    relay.send(pending or [])


def _stop_for_budget(
    event: PersonaRequested | AnswerRequested | AnalysisRequested, engine: Engine, relay: Relay
) -> None:
    try:
        with autocommit(engine) as connection:
            pending = stops.stop(connection, event.workspace_id, event.job_id, "budget")
    except JobNotOpen:
        return
    relay.send(pending)
