"""The events Sight speaks, versioned and defined once. They carry ids, never documents."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from common.ids import new_id


class Event(BaseModel):
    """What every event has. `id` recognises a repeat, `traceparent` (W3C Trace Context) ties the hops together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID = Field(default_factory=new_id)
    workspace_id: UUID
    job_id: UUID
    traceparent: str = ""


class JobAccepted(Event):
    """A job was accepted; its items are yet to be laid out."""

    type: Literal["sight.job.accepted.v1"] = "sight.job.accepted.v1"


class RoundCompleted(Event):
    """The last open item of a round ended; the next round may begin."""

    type: Literal["sight.round.completed.v1"] = "sight.round.completed.v1"
    round: int = Field(ge=0)


class PersonaRequested(Event):
    """A persona is to be made."""

    type: Literal["sight.persona.requested.v1"] = "sight.persona.requested.v1"
    item_id: UUID


class AnswerRequested(Event):
    """A persona is to answer a question."""

    type: Literal["sight.answer.requested.v1"] = "sight.answer.requested.v1"
    item_id: UUID


class AnalysisRequested(Event):
    """A part of the analysis of a finished job is to be made."""

    type: Literal["sight.analysis.requested.v1"] = "sight.analysis.requested.v1"
    item_id: UUID


class JobFinished(Event):
    """A job ended, for better or worse; counts are of its items."""

    type: Literal["sight.job.finished.v1"] = "sight.job.finished.v1"
    kind: str
    state: str
    total: int
    done: int
    failed: int
    skipped: int


AnyEvent = Annotated[
    JobAccepted | RoundCompleted | PersonaRequested | AnswerRequested | AnalysisRequested | JobFinished,
    Field(discriminator="type"),
]

EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
"""Reads any event of Sight from its JSON."""
