"""What a job is: its kind, the order its items run in, and the states it passes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from common.bus import topology
from common.events.models import AnalysisRequested, AnswerRequested, PersonaRequested

Flow = Literal["parallel", "chain", "rounds"]
"""`parallel`: all items at once. `chain`: an item runs after the one before it of the same persona.
`rounds`: all items of a round run together, after all of the round before."""

JobState = Literal["running", "completed", "partial", "failed", "cancelled"]
StopReason = Literal["cancelled", "budget", "deadline", "error"]

MAX_ATTEMPTS = 5
"""How often an item is tried before it fails with the last reason."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What asks for an item of this kind, and how long its worker may hold it (seconds)."""

    topic: str
    event: type[PersonaRequested | AnswerRequested | AnalysisRequested]
    lease_seconds: int


KINDS: Mapping[str, Kind] = {
    "personas": Kind(topology.PERSONAS, PersonaRequested, 170),
    "focus_group": Kind(topology.ANSWERS, AnswerRequested, 110),
    "panel_review": Kind(topology.RESULTS, AnalysisRequested, 530),
    "summary": Kind(topology.RESULTS, AnalysisRequested, 530),
}


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to accept. `total` counts its items over all `rounds`, equally many in each unless `round_sizes` says
    how many; `spec` is what its handlers need."""

    id: UUID
    project_id: UUID
    kind: str
    flow: Flow
    total: int
    spec: dict[str, Any]
    seed: int
    simulated: bool
    request_hash: str
    rounds: int = 1
    round_sizes: Sequence[int] | None = None
    subject_id: UUID | None = None
    idempotency_key: str | None = None
    budget_micros: int | None = None
    deadline_seconds: float = 3600.0
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to lay out. Whether its turn has come follows from its round and the job's flow."""

    position: int
    round: int
    persona_id: UUID | None = None
    question_id: UUID | None = None
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """An item and the right to record its result, until the lease ends or another takes it."""

    workspace_id: UUID
    project_id: UUID
    job_id: UUID
    item_id: UUID
    token: int
    kind: str
    flow: Flow
    rounds: int
    position: int
    round: int
    attempts: int
    persona_id: UUID | None
    question_id: UUID | None
    payload: dict[str, Any]
    spec: dict[str, Any]
    seed: int
    subject_id: UUID | None
    reserved_micros: int
    seconds_left: float
    traceparent: str = ""
    budgeted: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """The SQL that writes an item's result. It runs inside the statement that records the item, where
    the CTE `item` holds the item's row if the claim still stands, and no row otherwise:
    `INSERT INTO answers (...) SELECT ... FROM item`."""

    sql: str
    parameters: Mapping[str, Any]


class Counts(BaseModel):
    """A job's items by outcome; what is none of these is still open."""

    model_config = ConfigDict(frozen=True)

    total: int
    done: int
    failed: int
    skipped: int


class Reason(BaseModel):
    """Why items failed or were skipped, and how many."""

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str
    items: int


class Spend(BaseModel):
    """Money in millionths of a US dollar: what was spent, is reserved for calls under way, and may be spent."""

    model_config = ConfigDict(frozen=True)

    spent_micros: int
    reserved_micros: int
    budget_micros: int | None


class JobView(BaseModel):
    """A job as callers see it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    project_id: UUID
    kind: str
    state: JobState
    version: int
    subject_id: UUID | None
    seed: int
    simulated: bool
    items: Counts
    spend: Spend
    stop_reason: StopReason | None
    reasons: list[Reason]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime


class JobEventView(BaseModel):
    """One thing that happened to a job; `sequence` orders them without gaps."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    type: str
    payload: dict[str, Any]
    created_at: datetime
