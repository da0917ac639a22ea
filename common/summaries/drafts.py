"""What the model is asked for. Drafts cite answers by their labels (A12) and become insights once checked.

The shape is flat and its lists have no limits on purpose: Gemini refuses schemas that nest deeply or whose
limits on the length of lists add up (github.com/googleapis/js-genai/issues/882, python-genai/issues/2170).
So a citation is one text, a disagreement has two sides by name, and how many of each are wanted is for the
prompts to say.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from common.text import storable

Line = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=300)]
Paragraph = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=2000)]


class Draft(BaseModel):
    """Takes nothing it does not know and is not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Citation(Draft):
    """An answer by its label, and a passage of it. Written `A12: the passage`."""

    answer: str
    quote: str

    def __str__(self) -> str:
        return f"{self.answer}: {self.quote}"


def _read_citation(value: object) -> object:
    if not isinstance(value, str):
        return value
    label, _, quote = value.partition(":")
    return {"answer": label, "quote": quote}


Cited = Annotated[
    Citation,
    BeforeValidator(_read_citation),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "A12: a passage of that answer, character for character"}),
]


class DraftTheme(Draft):
    """A theme; `sources` are the labels of the phrases (T4) or of the themes of parts (H7) it stands for."""

    name: Line
    description: Paragraph
    sources: list[str] = Field(description="Labels of the phrases or themes this theme stands for.")
    evidence: list[Cited]


class DraftSurprise(Draft):
    """A finding one would not have expected."""

    statement: Paragraph
    expectation: Paragraph = Field(description="What one would have expected instead, and why.")
    evidence: list[Cited]


class DraftDisagreement(Draft):
    """What respondents disagree about, by two positions."""

    about: Paragraph
    one_side: Paragraph
    one_side_evidence: list[Cited]
    other_side: Paragraph
    other_side_evidence: list[Cited]


class DraftPoint(Draft):
    """One statement of the executive summary."""

    statement: Paragraph
    evidence: list[Cited]


class DraftRecommendation(Draft):
    """What to do, and why."""

    action: Paragraph
    reason: Paragraph
    evidence: list[Cited]


class DraftReading(Draft):
    """What is found in a portion of the answers."""

    themes: list[DraftTheme]
    surprising: list[DraftSurprise]
    disagreements: list[DraftDisagreement]


class DraftReport(DraftReading):
    """What is found in the answers of the whole group."""

    executive_summary: list[DraftPoint]
    recommendations: list[DraftRecommendation]


class Mended(Draft):
    """New evidence for a statement; none when the answers do not bear it out."""

    label: str = Field(description="The label of the statement: S3.")
    evidence: list[Cited]


class Mending(Draft):
    """New evidence for statements whose evidence did not hold."""

    statements: list[Mended]


Insight = DraftPoint | DraftTheme | DraftSurprise | DraftDisagreement | DraftRecommendation
