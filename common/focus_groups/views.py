"""Focus groups as callers see them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from common.focus_groups.models import Heard, Mode, Stance
from common.jobs.models import Counts, JobState

EntryState = Literal["answered", "failed", "skipped", "pending"]
"""`skipped`: the job ended before it was asked. `pending`: it is still to be asked or being answered."""

Order = Literal["persona", "question"]
"""Of a transcript: persona by persona with all their answers, or question by question with all answers to it."""


class GroupView(BaseModel):
    """A focus group; `items` counts its answers by outcome."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    project_id: UUID
    job_id: UUID
    name: str
    mode: Mode
    language: str
    briefing: str
    members: int
    questions: int
    state: JobState
    items: Counts
    seed: int
    simulated: bool
    created_at: datetime
    finished_at: datetime | None


class QuestionView(BaseModel):
    """A question and how far its answers are; `position` counts from 0."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    position: int
    text: str
    answered: int
    failed: int
    skipped: int
    pending: int


class MemberView(BaseModel):
    """A persona's seat in a group; `position` counts from 0."""

    model_config = ConfigDict(frozen=True)

    position: int
    persona_id: UUID
    name: str
    headline: str
    demographics: dict[str, str]


class AnswerView(BaseModel):
    """What one persona answered to one question. `heard` is what it was told of the others' words before."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    question_id: UUID
    question_position: int
    persona_id: UUID
    persona_position: int
    persona_name: str
    text: str
    stance: Stance
    sentiment: float
    themes: list[str]
    confidence: float
    heard: Heard | None
    model: str
    prompt_hash: str
    simulated: bool
    created_at: datetime


class Gap(BaseModel):
    """Why there is no answer."""

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str


class Entry(BaseModel):
    """One place in a transcript: an answer, or the reason why there is none (`gap`; None while pending)."""

    model_config = ConfigDict(frozen=True)

    question_id: UUID
    question_position: int
    persona_id: UUID
    persona_position: int
    persona_name: str
    state: EntryState
    answer: AnswerView | None
    gap: Gap | None


class Transcript(BaseModel):
    """A page of a transcript of `total` entries; `next` is the cursor of the page after it."""

    model_config = ConfigDict(frozen=True)

    entries: list[Entry]
    total: int
    next: int | None


class AnswerPage(BaseModel):
    """A page of the `total` answers that match; `next` is the cursor of the page after it."""

    model_config = ConfigDict(frozen=True)

    answers: list[AnswerView]
    total: int
    next: int | None
