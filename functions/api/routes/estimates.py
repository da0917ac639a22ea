"""Estimates: what a job would take, before it starts. Nothing is written."""

from __future__ import annotations

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from common.database.engine import autocommit
from common.focus_groups.models import MAX_QUESTIONS, Briefing, Mode, QuestionText
from common.jobs.estimate import Capacity, Estimate, History, estimate_group, estimate_panel
from common.personas.models import MAX_PERSONAS, MIN_PERSONAS
from common.usage import store as usage
from functions.api.context import services, workspace
from functions.api.openapi import operation

blueprint = Blueprint("estimates", __name__, url_prefix="/api/v1/estimates")


class PanelEstimateRequest(BaseModel):
    """A panel one thinks of having made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=MIN_PERSONAS, le=MAX_PERSONAS, strict=True, description="How many personas.")
    segments: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="How many combinations of age, education, location and gender the audience has. Left out: many.",
    )


class GroupEstimateRequest(BaseModel):
    """A focus group one thinks of running."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    personas: int = Field(ge=MIN_PERSONAS, le=MAX_PERSONAS, strict=True, description="How many personas.")
    questions: list[QuestionText] = Field(min_length=1, max_length=MAX_QUESTIONS)
    mode: Mode = "interview"
    briefing: Briefing = ""


@blueprint.post("/personas")
@operation("estimates", example={"size": 20}, HTTP_200=Estimate)
def estimate_personas(json: PanelEstimateRequest) -> Estimate:
    """What making a panel and reviewing it would take: calls, tokens, cost and time."""
    return estimate_panel(
        _history(), size=json.size, models=services().models, capacity=_capacity(), segments=json.segments
    )


@blueprint.post("/focus-groups")
@operation("estimates", example={"personas": 20, "questions": ["Would you buy it?"]}, HTTP_200=Estimate)
def estimate_focus_group(json: GroupEstimateRequest) -> Estimate:
    """What a focus group and its summary would take: calls, tokens, cost and time."""
    return estimate_group(
        _history(),
        personas=json.personas,
        question_lengths=[len(question) for question in json.questions],
        mode=json.mode,
        models=services().models,
        capacity=_capacity(),
        briefing_length=len(json.briefing),
    )


def _history() -> History:
    with autocommit(services().engine) as connection:
        return usage.history(connection, workspace())


def _capacity() -> Capacity:
    settings = services().settings
    return Capacity(
        concurrency=settings.workers * settings.worker_threads,
        requests_per_minute=settings.llm_requests_per_minute,
        tokens_per_minute=settings.llm_tokens_per_minute,
        simulated_latency_seconds=settings.simulated_latency_seconds,
    )
