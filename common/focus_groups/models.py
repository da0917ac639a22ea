"""What a focus group asks and what its personas answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["interview", "discussion"]
"""`interview`: each persona alone, remembering what it said. `discussion`: in rounds, hearing the others."""

Stance = Literal["support", "oppose", "mixed", "neutral", "unsure"]


class AnswerContent(BaseModel):
    """One answer. It is also the schema of the structured output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1, max_length=4000, description="The answer, in the person's own voice.")
    stance: Stance = Field(description="Towards what the question is about.")
    sentiment: float = Field(ge=-1, le=1, description="From very negative (-1) to very positive (1).")
    themes: list[str] = Field(min_length=1, max_length=5, description="Short noun phrases, lower case.")
    confidence: float = Field(ge=0, le=1, description="How sure the person is of this answer.")
