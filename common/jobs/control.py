"""What people and automations ask of a job under way or ended: stop it, or run what is left of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from common.errors import InvalidInput
from common.events import seen
from common.jobs import reopen, stops, store
from common.projects import store as projects

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.outbox import Relay


CONSUMER = "jobs.control"
MAX_BUDGET_USD = 100_000


class RetryRequest(BaseModel):
    """How to go on with an ended job. What failed runs again; with `resume` also what was skipped when the job
    was cancelled or reached its budget or deadline. `budget_usd` replaces the budget: it counts all the job
    ever spent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resume: bool = False
    budget_usd: float | None = Field(None, gt=0, le=MAX_BUDGET_USD, allow_inf_nan=False)

    @property
    def budget_micros(self) -> int | None:
        """The budget in millionths of a US dollar."""
        return None if self.budget_usd is None else round(self.budget_usd * 1_000_000)


def cancel(engine: Engine, relay: Relay, workspace_id: UUID, job_id: UUID, *, command_id: UUID | None = None) -> None:
    """Cancels a running job. What is under way may still be recorded.

    A command that was carried out before changes nothing. Raises `JobNotFound` or `JobNotOpen`.
    """
    with engine.begin() as connection:
        if not _is_new(connection, workspace_id, job_id, command_id):
            return
        pending = stops.stop(connection, workspace_id, job_id, "cancelled")
    relay.offer(pending)


def retry(
    engine: Engine,
    relay: Relay,
    workspace_id: UUID,
    job_id: UUID,
    request: RetryRequest,
    *,
    command_id: UUID | None = None,
) -> None:
    """Runs what is left of an ended job again.

    A command that was carried out before changes nothing. Raises `JobNotFound`, `NothingToRetry`,
    `ProjectNotFound` when the job's project was deleted, or `InvalidInput` when the job's budget, new or old, is
    already spent.
    """
    with engine.begin() as connection:
        if not _is_new(connection, workspace_id, job_id, command_id):
            return
        # Before the job's row: deleting the project takes the two in this order.
        projects.hold(connection, workspace_id, store.project_of(connection, workspace_id, job_id))
        pending = reopen.reopen(
            connection, workspace_id, job_id, resume=request.resume, budget_micros=request.budget_micros
        )
        _check_budget(connection, workspace_id, job_id)
    relay.offer(pending)


def _is_new(connection: Connection, workspace_id: UUID, job_id: UUID, command_id: UUID | None) -> bool:
    if command_id is None:
        return True
    store.version(connection, workspace_id, job_id)
    return seen.first_time(connection, workspace_id, CONSUMER, str(command_id))


def _check_budget(connection: Connection, workspace_id: UUID, job_id: UUID) -> None:
    spend = store.get(connection, workspace_id, job_id).spend
    if spend.budget_micros is not None and spend.budget_micros <= spend.spent_micros:
        spent = spend.spent_micros / 1_000_000
        raise InvalidInput.of("budget_usd", f"must exceed the {spent:.6f} USD that the job has spent")
