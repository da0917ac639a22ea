"""What deleting a project means for the work going on in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from common.jobs import stops
from common.jobs.errors import JobNotOpen
from common.projects import store

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Engine

    from common.events.outbox import Pending, Relay


def delete_project(engine: Engine, relay: Relay, workspace_id: UUID, project_id: UUID) -> None:
    """Deletes a project and cancels its running jobs, so that nothing goes on spending money for it.

    When the bus is down, the sweeper announces their end later. Raises `ProjectNotFound`.
    """
    pending: list[Pending] = []
    with engine.begin() as connection:
        store.delete(connection, workspace_id, project_id)
        running = connection.execute(
            text("""
                SELECT id FROM jobs WHERE workspace_id = :workspace AND project_id = :project AND state = 'running'
                ORDER BY id
            """),
            {"workspace": workspace_id, "project": project_id},
        ).scalars()
        for job_id in running.all():
            try:
                pending += stops.stop(connection, workspace_id, job_id, "cancelled")
            except JobNotOpen:
                continue
    relay.offer(pending)
