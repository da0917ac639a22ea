"""Carries out a command by the same functions that serve the API's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from common.bus.topology import EVENTS
from common.events import outbox
from common.events.commands import AnyCommand, CancelJob, CommandAccepted, GeneratePersonas, RetryJob, StartFocusGroup
from common.focus_groups.service import request_group
from common.jobs import control
from common.personas.service import request_panel
from common.settings import LOCAL_WORKSPACE
from common.telemetry import trace

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.events.outbox import Relay


def handle_command(command: AnyCommand, *, engine: Engine, relay: Relay, simulated: bool) -> None:
    """Carries out a command, once however often it comes, and announces its job on sight-events.

    Raises what the requests raise: what is wrong with the command for good becomes a dead letter.
    """
    workspace_id = command.workspace_id or LOCAL_WORKSPACE
    traceparent = trace.accept(command.traceparent)
    job_id = _carry_out(command, engine, relay, workspace_id, simulated, traceparent)
    accepted = CommandAccepted(
        id=uuid5(command.id, "accepted"),
        workspace_id=workspace_id,
        job_id=job_id,
        command_id=command.id,
        traceparent=traceparent,
    )
    with engine.begin() as connection:
        pending = outbox.put(connection, workspace_id, [(EVENTS, accepted)])
    relay.offer(pending)


def _carry_out(
    command: AnyCommand, engine: Engine, relay: Relay, workspace_id: UUID, simulated: bool, traceparent: str
) -> UUID:
    key = f"command:{command.id}"
    match command:
        case GeneratePersonas():
            return request_panel(
                engine,
                relay,
                workspace_id,
                command.project_id,
                command.body,
                idempotency_key=key,
                simulated=simulated,
                traceparent=traceparent,
            ).id
        case StartFocusGroup():
            return request_group(
                engine,
                relay,
                workspace_id,
                command.project_id,
                command.body,
                idempotency_key=key,
                simulated=simulated,
                traceparent=traceparent,
            ).id
        case CancelJob():
            control.cancel(engine, relay, workspace_id, command.job_id, command_id=command.id)
            return command.job_id
        case RetryJob():
            control.retry(engine, relay, workspace_id, command.job_id, command.body, command_id=command.id)
            return command.job_id
