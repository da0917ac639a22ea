"""What a summary is made of: insights that name the answers they rest on, and figures computed from answers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

State = Literal["none", "waiting", "running", "completed", "partial", "failed", "cancelled"]
"""`none`: there is nothing to summarise. `waiting`: the group is not finished. The others are the job's."""

Section = Literal["executive_summary", "themes", "surprising", "disagreements", "recommendations"]

Fault = Literal["no_evidence", "unknown_answer", "quote_too_short", "quote_not_found"]
"""Why an insight is not borne out: it names no answer, one that is not of the group, quotes too little to
tell, or quotes what the answer does not say."""


class Frozen(BaseModel):
    """Takes nothing it does not know and is not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(Frozen):
    """A passage of an answer, exactly as it stands there, and whose it is. `question` counts from 0."""

    answer_id: UUID
    persona_id: UUID
    persona_name: str
    question: int
    quote: str


class Point(Frozen):
    """One statement of the executive summary."""

    statement: str
    evidence: list[Evidence]


class ThemeReading(Frozen):
    """A theme as the model found it: `phrases` are the themes of single answers that it stands for."""

    name: str
    description: str
    phrases: list[str]
    evidence: list[Evidence]


class Surprise(Frozen):
    """A finding one would not have expected, and why not."""

    statement: str
    expectation: str
    evidence: list[Evidence]


class Side(Frozen):
    """One position in a disagreement."""

    position: str
    evidence: list[Evidence]


class Disagreement(Frozen):
    """What respondents disagree about, by the positions they take."""

    about: str
    sides: list[Side]


class Recommendation(Frozen):
    """What to do, and why."""

    action: str
    reason: str
    evidence: list[Evidence]


class Rejection(Frozen):
    """How many insights of a section were left out for one fault; they are shown nowhere."""

    section: Section
    fault: Fault
    count: int


class Missing(Frozen):
    """Answers nobody read for the summary, of which personas (positions, first and last), and why."""

    answers: int
    first_persona: int
    last_persona: int
    code: str
    reason: str


class Findings(Frozen):
    """What a reply found in the answers, all of it borne out. A part has no executive summary and recommends
    nothing: that takes the whole group."""

    executive_summary: list[Point] = []
    themes: list[ThemeReading] = []
    surprising: list[Surprise] = []
    disagreements: list[Disagreement] = []
    recommendations: list[Recommendation] = []
    rejected: list[Rejection] = []

    def evidence(self) -> list[Evidence]:
        """Every passage that any of it rests on."""
        resting: list[Point | ThemeReading | Surprise | Recommendation | Side] = [
            *self.executive_summary,
            *self.themes,
            *self.surprising,
            *self.recommendations,
            *(side for disagreement in self.disagreements for side in disagreement.sides),
        ]
        return [evidence for insight in resting for evidence in insight.evidence]


class Reading(Frozen):
    """The reading of a portion, or of several merged: how many answers it covers, and what it misses."""

    answers_read: int
    missing: list[Missing]
    findings: Findings


class Figures(Frozen):
    """Sentiment over some answers. `mean` and `deviation` are in [-1, 1] and None where nobody answered,
    which is a gap and not a zero. `small` marks fewer personas than a figure should rest on."""

    answers: int
    personas: int
    mean: float | None
    deviation: float | None
    small: bool


class Distribution(Frozen):
    """Answers by sentiment, from [-1, -0.6) over [-0.2, 0.2] to (0.6, 1]."""

    very_negative: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    very_positive: int = 0


class QuestionSentiment(Frozen):
    """The sentiment of the answers to one question (`question` counts from 0), and the stances they take."""

    question: int
    text: str
    figures: Figures
    distribution: Distribution
    stances: dict[str, int]


class SegmentSentiment(Frozen):
    """The sentiment of a segment, over all questions."""

    dimension: str
    label: str
    figures: Figures
    distribution: Distribution


class CellSentiment(Frozen):
    """The sentiment of a segment on one question, to which each persona has one answer."""

    question: int
    dimension: str
    label: str
    answers: int
    mean: float | None
    small: bool


class Sentiment(Frozen):
    """Sentiment by question, by segment, and by both."""

    overall: Figures
    distribution: Distribution
    by_question: list[QuestionSentiment]
    by_segment: list[SegmentSentiment]
    cells: list[CellSentiment]


class ThemeSegment(Frozen):
    """How many personas of a segment (`of` who answered anything) raised a theme."""

    dimension: str
    label: str
    personas: int
    of: int
    share: float | None
    small: bool


class Theme(Frozen):
    """A theme with its counts, which are computed: answers that raise one of its phrases or are cited for it,
    and the personas who gave them. `sentiment` is of these answers."""

    name: str
    description: str
    answers: int
    personas: int
    sentiment: Figures
    segments: list[ThemeSegment]
    phrases: list[str]
    evidence: list[Evidence]


class Coverage(Frozen):
    """What the summary rests on: answers asked for, given, and read, by how many personas and portions.
    `unthemed` answers raise none of the themes."""

    answers_asked: int
    answers_given: int
    answers_read: int
    personas: int
    portions: int
    missing: list[Missing]
    unthemed: int


class Report(Frozen):
    """The analysis of a focus group."""

    version: Literal[1] = 1
    language: str
    coverage: Coverage
    executive_summary: list[Point]
    themes: list[Theme]
    sentiment: Sentiment
    surprising: list[Surprise]
    disagreements: list[Disagreement]
    recommendations: list[Recommendation]
    rejected: list[Rejection]


class SummaryView(Frozen):
    """The summary of a group as callers see it.

    `state` and `reason` are of the newest attempt, made by the job `job_id`. `report` is the newest there
    is, made at `created_at` by `report_job_id`: of an earlier attempt while the newest is under way or where
    it failed.
    """

    focus_group_id: UUID
    state: State
    reason: str | None
    job_id: UUID | None
    report: Report | None
    report_job_id: UUID | None
    model: str | None
    prompt_hash: str | None
    simulated: bool | None
    created_at: datetime | None
