"""What a persona is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Language = str
"""A BCP 47 language tag: `en`, `pl`."""


class Traits(BaseModel):
    """Big Five scores, 0 to 100 with a population mean of 50 and a standard deviation of 10 (T scores)."""

    model_config = ConfigDict(frozen=True)

    openness: float = Field(ge=0, le=100)
    conscientiousness: float = Field(ge=0, le=100)
    extraversion: float = Field(ge=0, le=100)
    agreeableness: float = Field(ge=0, le=100)
    neuroticism: float = Field(ge=0, le=100)


class Profile(BaseModel):
    """What the model adds to a seat. It is also the schema of the structured output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=2, max_length=80, description="First and last name, usual for the person's origin.")
    headline: str = Field(min_length=5, max_length=160, description="One line that says who this is.")
    age_years: int = Field(ge=0, le=120, description="Exact age, inside the age group given.")
    occupation: str = Field(min_length=2, max_length=120)
    story: str = Field(min_length=80, max_length=2000, description="Background and daily life, in the third person.")
    values: list[str] = Field(min_length=3, max_length=6)
    interests: list[str] = Field(min_length=3, max_length=6)
    communication_style: str = Field(min_length=5, max_length=240)
    decision_style: str = Field(min_length=5, max_length=240)
    concerns: list[str] = Field(min_length=2, max_length=5)
    needs: list[str] = Field(min_length=2, max_length=5)
    pains: list[str] = Field(min_length=2, max_length=5)


class SegmentBrief(BaseModel):
    """What is typical of a segment (age, education, location, gender), shared by its personas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily_life: str = Field(min_length=40, max_length=1200)
    economic_situation: str = Field(min_length=40, max_length=1200)
    attitudes: list[str] = Field(min_length=3, max_length=8)
    media_habits: list[str] = Field(min_length=2, max_length=6)
    variation: str = Field(min_length=40, max_length=1200, description="How widely people of the segment differ.")


class QualityPart(BaseModel):
    """One aspect of a persona's quality: its score (0-100), its weight, and what cost points."""

    model_config = ConfigDict(frozen=True)

    score: float
    weight: float
    findings: list[str]


class Quality(BaseModel):
    """A persona's quality, 0 to 100: the weighted mean of its parts."""

    model_config = ConfigDict(frozen=True)

    score: float
    parts: dict[str, QualityPart]
