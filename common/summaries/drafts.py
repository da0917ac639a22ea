"""What the model is asked for. Drafts cite answers by their labels (A12) and become insights once checked.

The limits are wider than what the prompts ask for: a reply that is a little too long is still worth reading.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NUL_REPLACED = AfterValidator(lambda text: text.replace("\x00", "\ufffd").strip())
"""Postgres refuses NUL in text."""

Line = Annotated[str, NUL_REPLACED, Field(min_length=1, max_length=300)]
Paragraph = Annotated[str, NUL_REPLACED, Field(min_length=1, max_length=2000)]


class Draft(BaseModel):
    """Takes nothing it does not know and is not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Citation(Draft):
    """An answer by its label, and a passage of it."""

    answer: str = Field(max_length=20, description="The label of one answer: A12.")
    quote: str = Field(max_length=4000, description="A passage copied from that answer, character for character.")


Citations = Annotated[list[Citation], Field(max_length=12)]


class DraftTheme(Draft):
    """A theme; `sources` are the labels of the phrases (T4) or of the themes of parts (H7) it stands for."""

    name: Line
    description: Paragraph
    sources: list[str] = Field(max_length=300, description="Labels of the phrases or themes this theme stands for.")
    evidence: Citations


class DraftSurprise(Draft):
    """A finding one would not have expected."""

    statement: Paragraph
    expectation: Paragraph = Field(description="What one would have expected instead, and why.")
    evidence: Citations


class DraftSide(Draft):
    """One position in a disagreement."""

    position: Paragraph
    evidence: Citations


class DraftDisagreement(Draft):
    """What respondents disagree about."""

    about: Paragraph
    sides: list[DraftSide] = Field(min_length=2, max_length=6)


class DraftPoint(Draft):
    """One statement of the executive summary."""

    statement: Paragraph
    evidence: Citations


class DraftRecommendation(Draft):
    """What to do, and why."""

    action: Paragraph
    reason: Paragraph
    evidence: Citations


class DraftReading(Draft):
    """What is found in a portion of the answers."""

    themes: list[DraftTheme] = Field(max_length=40)
    surprising: list[DraftSurprise] = Field(max_length=30)
    disagreements: list[DraftDisagreement] = Field(max_length=30)


class DraftReport(DraftReading):
    """What is found in the answers of the whole group."""

    executive_summary: list[DraftPoint] = Field(max_length=30)
    recommendations: list[DraftRecommendation] = Field(max_length=30)


class Mended(Draft):
    """New evidence for a statement; none when the answers do not bear it out."""

    label: str = Field(max_length=20, description="The label of the statement: S3.")
    evidence: Citations


class Mending(Draft):
    """New evidence for statements whose evidence did not hold."""

    statements: list[Mended] = Field(max_length=200)


Insight = DraftPoint | DraftTheme | DraftSurprise | DraftDisagreement | DraftRecommendation
