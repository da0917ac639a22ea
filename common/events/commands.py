"""Commands: what automations ask for on Pub/Sub, with the same bodies as the API's requests.

A command's `id` makes it safe to send again: the job it started is the job it answers with. Whoever sends it
chooses the id, and finds it again in `CommandAccepted`.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from common.events.models import Event
from common.focus_groups.models import GroupRequest
from common.jobs.control import RetryRequest
from common.personas.models import PanelRequest


class Command(BaseModel):
    """What every command has. Without `workspace_id` it is for the one workspace there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    workspace_id: UUID | None = None
    traceparent: str = Field("", max_length=100, description="W3C Trace Context; left out, a trace begins here.")


class GeneratePersonas(Command):
    """Have a panel of personas made."""

    type: Literal["sight.personas.generate.v1"] = "sight.personas.generate.v1"
    project_id: UUID
    body: PanelRequest


class StartFocusGroup(Command):
    """Start a focus group."""

    type: Literal["sight.focus_group.start.v1"] = "sight.focus_group.start.v1"
    project_id: UUID
    body: GroupRequest


class CancelJob(Command):
    """Cancel a running job."""

    type: Literal["sight.job.cancel.v1"] = "sight.job.cancel.v1"
    job_id: UUID


class RetryJob(Command):
    """Run what is left of an ended job again."""

    type: Literal["sight.job.retry.v1"] = "sight.job.retry.v1"
    job_id: UUID
    body: RetryRequest = RetryRequest()


class CommandAccepted(Event):
    """A command was carried out: its job runs, or, where it was cancelled, no longer does."""

    type: Literal["sight.command.accepted.v1"] = "sight.command.accepted.v1"
    command_id: UUID


AnyCommand = Annotated[GeneratePersonas | StartFocusGroup | CancelJob | RetryJob, Field(discriminator="type")]

COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand)
"""Reads any command from its JSON."""
