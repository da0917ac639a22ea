"""What a focus group is asked for with, and what its personas answer."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from common.personas.models import MAX_PERSONAS, MAX_SEED, MIN_PERSONAS, Language
from common.text import storable

Mode = Literal["interview", "discussion"]
"""`interview`: each persona alone, remembering what it said. `discussion`: in rounds, hearing the others."""

Stance = Literal["support", "oppose", "mixed", "neutral", "unsure"]
STANCES: tuple[Stance, ...] = ("support", "oppose", "mixed", "neutral", "unsure")

MAX_QUESTIONS = 50
MAX_BUDGET_USD = 100_000
MAX_DEADLINE_SECONDS = 7 * 24 * 3600.0


def _tidy(value: object) -> object:
    return storable(value).strip() if isinstance(value, str) else value


# The limits come first, so that it is in characters that they are told; they hold for what is left after tidying.
Name = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_tidy)]
QuestionText = Annotated[str, Field(min_length=1, max_length=2000), BeforeValidator(_tidy)]
Briefing = Annotated[str, Field(max_length=4000), BeforeValidator(_tidy)]


class GroupRequest(BaseModel):
    """A focus group to run. Its members are either `persona_ids`, in this order, or all personas of the
    panel that the job `panel_job_id` made, in their order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    persona_ids: list[UUID] | None = Field(None, min_length=MIN_PERSONAS, max_length=MAX_PERSONAS)
    panel_job_id: UUID | None = None
    without_duplicates: bool = Field(False, description="Leave out personas of the panel marked as duplicates.")
    questions: list[QuestionText] = Field(min_length=1, max_length=MAX_QUESTIONS)
    mode: Mode = "interview"
    language: Language = Field("en", description="The language of the answers, a BCP 47 tag.")
    briefing: Briefing = Field("", description="What every persona reads before the first question.")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="Left out: one is drawn.")
    budget_usd: float | None = Field(None, ge=0.000001, le=MAX_BUDGET_USD, allow_inf_nan=False)
    deadline_seconds: float = Field(3600.0, ge=1, le=MAX_DEADLINE_SECONDS, allow_inf_nan=False)


class AnswerContent(BaseModel):
    """One answer. It is also the schema of the structured output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1, max_length=4000, description="The answer, in the person's own voice.")
    stance: Stance = Field(description="Towards what the question is about.")
    sentiment: float = Field(ge=-1, le=1, description="From very negative (-1) to very positive (1).")
    themes: list[str] = Field(min_length=1, max_length=5, description="Short noun phrases, lower case.")
    confidence: float = Field(ge=0, le=1, description="How sure the person is of this answer.")


class ThemeCount(BaseModel):
    """A theme and in how many answers of a round it came up."""

    model_config = ConfigDict(frozen=True)

    theme: str
    answers: int


class Digest(BaseModel):
    """What was said in one round, in figures. Failed answers are the difference of `members` and `answered`."""

    model_config = ConfigDict(frozen=True)

    question: str
    members: int
    answered: int
    stances: dict[Stance, int]
    mean_sentiment: float | None
    themes: list[ThemeCount]


class Quote(BaseModel):
    """Words of one persona that others may hear, shortened where they are long."""

    model_config = ConfigDict(frozen=True)

    answer_id: UUID
    persona_id: UUID
    speaker: str
    stance: Stance
    text: str


class HeardQuote(BaseModel):
    """A quote as it is recorded with the answer of who heard it."""

    model_config = ConfigDict(frozen=True)

    answer_id: UUID
    persona_id: UUID
    text: str


class Heard(BaseModel):
    """What a persona was told of the others' words before it answered."""

    model_config = ConfigDict(frozen=True)

    digest: Digest
    quotes: list[HeardQuote]
