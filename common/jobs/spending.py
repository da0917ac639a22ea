"""Keeps the calls of an item within its job's budget: what they may cost is reserved before each of them.

A claim sets aside what the call may cost that every item makes. What may go beyond (replies asked for again,
corrections, long prompts) is set aside when it comes to it: to hold it for every item from the start would keep
small budgets from paying for anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from common.database import statement
from common.database.engine import autocommit
from common.jobs.errors import ItemBusy, OverBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from common.jobs.models import Claim

# The claim's reservation is set, not raised, so that a repeat of the statement changes nothing.
_RAISE = """
WITH job AS (
    SELECT id FROM jobs
    WHERE id = :job AND workspace_id = :workspace
      AND spent_micros + reserved_micros + CAST(:wanted AS bigint) - CAST(:held AS bigint) <= budget_micros
    FOR UPDATE
), item AS (
    UPDATE job_items i SET reserved_micros = CAST(:wanted AS bigint)
    FROM job
    WHERE i.id = :item AND i.job_id = job.id AND i.state = 'leased' AND i.token = :token
      AND i.reserved_micros = CAST(:held AS bigint)
    RETURNING i.job_id
)
UPDATE jobs j SET reserved_micros = j.reserved_micros + CAST(:wanted AS bigint) - CAST(:held AS bigint)
FROM item WHERE j.id = item.job_id
RETURNING j.id
"""

_HELD = text("""
    SELECT j.spent_micros, j.budget_micros, i.reserved_micros AS held
    FROM jobs j LEFT JOIN job_items i ON i.id = :item AND i.job_id = j.id AND i.state = 'leased' AND i.token = :token
    WHERE j.id = :job AND j.workspace_id = :workspace
""")


def within_budget(engine: Engine, claim: Claim) -> Callable[[int], None]:
    """What sees to it that so much may be spent on a claim's calls (`Calls.cover`), in millionths of a US dollar.

    It costs a statement only where that is more than the claim holds already, and its job has a budget. Raises
    `OverBudget` when the job cannot pay for it, `ItemBusy` while others hold the money or where the claim no
    longer stands, and `sqlalchemy.exc.DBAPIError`.
    """
    held = claim.reserved_micros

    def cover(micros: int) -> None:
        nonlocal held
        if claim.budgeted and micros > held:
            _reserve(engine, claim, held, micros)
            held = micros

    return cover


def _reserve(engine: Engine, claim: Claim, held: int, wanted: int) -> None:
    parameters = {
        "workspace": claim.workspace_id,
        "job": claim.job_id,
        "item": claim.item_id,
        "token": claim.token,
        "held": held,
        "wanted": wanted,
    }
    if statement.run_repeatable(engine, _RAISE, parameters):
        return
    with autocommit(engine) as connection:
        found = connection.execute(_HELD, parameters).one_or_none()
    if found is None or found.held is None:
        raise ItemBusy(f"the lease of item {claim.item_id} was lost")
    if found.held == wanted:  # by the same statement, whose reply was lost
        return
    if found.budget_micros is not None and found.spent_micros + wanted > found.budget_micros:
        raise OverBudget(f"job {claim.job_id} cannot pay for another call")
    raise ItemBusy(f"job {claim.job_id} may afford another call once others have settled")
