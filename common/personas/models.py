"""What a persona is made of, what a panel is asked for with, and how callers see both."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from common.audiences.models import AudienceSpec, FitReport
from common.text import storable

MIN_PERSONAS = 2
MAX_PERSONAS = 1000
MAX_SEED = 2**53 - 1
"""What every JSON reader can hold exactly."""


def _language_tag(value: str) -> str:
    primary, *rest = value.split("-")
    return "-".join([primary.lower(), *rest])


Language = Annotated[
    str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35), AfterValidator(_language_tag)
]
"""A BCP 47 language tag: `en`, `pl`."""


class PanelRequest(BaseModel):
    """A panel of personas to make. The audience is one of: `audience` given here, `audience_slug` of the
    catalogue, `audience_id` of one kept in the project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Annotated[AudienceSpec | None, BeforeValidator(storable)] = None
    audience_slug: str | None = Field(None, min_length=1, max_length=100)
    audience_id: UUID | None = None
    size: int = Field(ge=MIN_PERSONAS, le=MAX_PERSONAS, strict=True, description="How many personas.")
    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="Left out: one is drawn.")
    language: Language = Field("en", description="The language the personas are written in, a BCP 47 tag.")
    budget_usd: float | None = Field(None, gt=0, le=1_000_000, allow_inf_nan=False)
    deadline_seconds: float = Field(3600.0, ge=60, le=86_400, allow_inf_nan=False)


class Traits(BaseModel):
    """Big Five scores, 0 to 100 with a population mean of 50 and a standard deviation of 10 (T scores)."""

    model_config = ConfigDict(frozen=True)

    openness: float = Field(ge=0, le=100)
    conscientiousness: float = Field(ge=0, le=100)
    extraversion: float = Field(ge=0, le=100)
    agreeableness: float = Field(ge=0, le=100)
    neuroticism: float = Field(ge=0, le=100)


class Profile(BaseModel):
    """What the model adds to a seat."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=2, max_length=80, description="First and last name, usual for the person's origin.")
    headline: str = Field(min_length=5, max_length=200, description="One line that says who this is.")
    age_years: int = Field(ge=0, le=120, description="Exact age, inside the age group given.")
    occupation: str = Field(min_length=2, max_length=160)
    story: str = Field(min_length=80, max_length=3000, description="Background and daily life, in the third person.")
    values: list[str] = Field(min_length=3, max_length=6)
    interests: list[str] = Field(min_length=3, max_length=6)
    communication_style: str = Field(min_length=5, max_length=400)
    decision_style: str = Field(min_length=5, max_length=400)
    concerns: list[str] = Field(min_length=2, max_length=5)
    needs: list[str] = Field(min_length=2, max_length=5)
    pains: list[str] = Field(min_length=2, max_length=5)


class Ground(BaseModel):
    """Something said of a persona, and what it rests on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claim: str = Field(min_length=3, max_length=400, description="Copied word for word from this profile.")
    basis: str = Field(min_length=1, max_length=400, description="Copied word for word from the brief or the seat.")


class Draft(Profile):
    """A profile as the model writes it, the schema of the structured output: with the grounds it claims to have."""

    grounds: list[Ground] = Field(min_length=2, max_length=6)

    def profile(self) -> Profile:
        """The profile without its grounds."""
        return Profile(**{name: getattr(self, name) for name in Profile.model_fields})


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


class CheckedGround(BaseModel):
    """A ground, and whether the claim is in the profile and its basis in the brief or the seat, word for word."""

    model_config = ConfigDict(frozen=True)

    claim: str
    basis: str
    verified: bool


class Quality(BaseModel):
    """A persona's quality, 0 to 100: the weighted mean of its parts. `repaired` says what was wrong with the
    model's first reply, where it had to be asked again."""

    model_config = ConfigDict(frozen=True)

    score: float
    parts: dict[str, QualityPart]
    grounds: list[CheckedGround] = []
    repaired: list[str] = []


class PersonaView(BaseModel):
    """A persona as callers see it. `position` is its seat in the panel that the job `job_id` made."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    project_id: UUID
    job_id: UUID
    position: int
    name: str
    headline: str
    language: str
    demographics: dict[str, str]
    profile: Profile
    traits: Traits
    quality: Quality
    duplicate_of: UUID | None
    model: str
    prompt_hash: str
    simulated: bool
    created_at: datetime


class PersonaFilters(BaseModel):
    """Which personas to list; what is left out does not filter. `demographics` maps dimensions to the labels
    wanted of each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: UUID | None = None
    demographics: dict[str, list[str]] = {}
    min_quality: float | None = Field(None, ge=0, le=100)
    duplicates: bool | None = Field(None, description="Only duplicates (true), or none of them (false).")
    search: str | None = Field(None, max_length=200, description="Part of a name or headline.")


class PersonaPage(BaseModel):
    """Some of the personas there are. `total` counts all that match, `next_cursor` asks for what comes after."""

    model_config = ConfigDict(frozen=True)

    items: list[PersonaView]
    total: int
    next_cursor: UUID | None


class NearestSimilarity(BaseModel):
    """How near personas of a panel are to the one most like them: cosine similarities (-1 to 1)."""

    model_config = ConfigDict(frozen=True)

    median: float
    p95: float
    max: float


class PanelReview(BaseModel):
    """What the review found in a panel. Rates are from 0 to 1, None where there is nothing to count.

    `consistency_rate` is the share of seats worked on whose persona agrees with its seat in the end, and
    `first_reply_consistency_rate` the share that needed no second reply. `grounded_claims_rate` is the share
    of grounds whose claim and basis were both found word for word.
    """

    model_config = ConfigDict(frozen=True)

    personas: int
    duplicates: int
    duplicate_threshold: float
    nearest: NearestSimilarity | None
    mean_quality: float | None
    consistency_rate: float | None
    first_reply_consistency_rate: float | None
    grounded_claims_rate: float | None
    fit: FitReport


class PanelReport(BaseModel):
    """A panel: what was asked for, and what there is of it now. `fit` is of the personas that exist, deleted
    ones left out; `review` is None until the panel is reviewed."""

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    project_id: UUID
    audience: str
    language: str
    size: int
    seed: int
    simulated: bool
    personas: int
    fit: FitReport
    review: PanelReview | None


def as_json(model: BaseModel) -> dict[str, Any]:
    """A model as JSON has it, fit to be stored."""
    plain: dict[str, Any] = storable(model.model_dump(mode="json"))
    return plain
