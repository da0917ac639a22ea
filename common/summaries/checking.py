"""Holds what a model found against the answers it names. What they do not bear out is no insight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.summaries import quotes
from common.summaries.drafts import (
    DraftDisagreement,
    DraftPoint,
    DraftRecommendation,
    DraftSurprise,
    DraftTheme,
    Insight,
)
from common.summaries.models import (
    Disagreement,
    Evidence,
    Fault,
    Findings,
    Point,
    Recommendation,
    Rejection,
    Section,
    Side,
    Surprise,
    ThemeReading,
)

if TYPE_CHECKING:
    from uuid import UUID

    from common.summaries.drafts import Citation, DraftReading
    from common.summaries.group import Answer, Group

SECTIONS: tuple[Section, ...] = ("executive_summary", "themes", "surprising", "disagreements", "recommendations")


@dataclass(frozen=True, slots=True)
class Citable:
    """An answer as a model may cite it. `question` is a position."""

    answer_id: UUID
    persona_id: UUID
    persona_name: str
    question: int
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement and the citations it rests on: an insight, or one side of a disagreement."""

    statement: str
    citations: Sequence[Citation]


@dataclass(frozen=True, slots=True)
class Doubt:
    """An insight that does not hold: its index among those checked, and the fault of each claim that has one."""

    index: int
    section: Section
    faults: Mapping[int, Fault]


@dataclass(frozen=True, slots=True)
class Held:
    """An insight that holds, and the passages each of its claims rests on."""

    section: Section
    insight: Insight
    evidence: Sequence[list[Evidence]]


Found = Sequence[tuple[Section, Insight]]


def labelled(answers: Iterable[Answer], group: Group) -> dict[str, Citable]:
    """The answers by the labels a prompt gives them, A1 for the first: short, so that citing one costs
    little, and without a meaning a model could guess at."""
    return {
        f"A{number}": Citable(
            answer_id=answer.id,
            persona_id=group.members[answer.persona].persona_id,
            persona_name=group.members[answer.persona].name,
            question=answer.question,
            text=answer.text,
        )
        for number, answer in enumerate(answers, start=1)
    }


def insights(draft: DraftReading) -> Found:
    """What a reply found, section by section."""
    return [(section, insight) for section in SECTIONS for insight in getattr(draft, section, [])]


def claims(insight: Insight) -> list[Claim]:
    """The statements of an insight that each need evidence: one, or one for each side of a disagreement."""
    match insight:
        case DraftDisagreement():
            return [
                Claim(f"{insight.about}: {insight.one_side}", insight.one_side_evidence),
                Claim(f"{insight.about}: {insight.other_side}", insight.other_side_evidence),
            ]
        case DraftTheme():
            return [Claim(f"{insight.name}: {insight.description}", insight.evidence)]
        case DraftRecommendation():
            return [Claim(f"{insight.action} {insight.reason}", insight.evidence)]
        case _:
            return [Claim(insight.statement, insight.evidence)]


def with_citations(insight: Insight, citations: Mapping[int, Sequence[Citation]]) -> Insight:
    """The insight with other citations for some of its claims, by the claim's index."""
    names = ("one_side_evidence", "other_side_evidence") if isinstance(insight, DraftDisagreement) else ("evidence",)
    return insight.model_copy(update={names[claim]: list(cited) for claim, cited in citations.items()})


def check(found: Found, answers: Mapping[str, Citable]) -> tuple[list[Held], list[Doubt]]:
    """Sorts insights into those whose every quote is in the answer named for it, and those in doubt."""
    held, doubts = [], []
    for index, (section, insight) in enumerate(found):
        results = [verify(claim.citations, answers) for claim in claims(insight)]
        faults = {number: fault for number, (_, fault) in enumerate(results) if fault is not None}
        if faults:
            doubts.append(Doubt(index, section, faults))
        else:
            held.append(Held(section, insight, [passages for passages, _ in results]))
    return held, doubts


def verify(citations: Sequence[Citation], answers: Mapping[str, Citable]) -> tuple[list[Evidence], Fault | None]:
    """The passages cited, or the first fault found with them. One bad citation spoils the claim."""
    if not citations:
        return [], "no_evidence"
    found: dict[tuple[UUID, str], Evidence] = {}
    for citation in citations:
        answer = answers.get(citation.answer)
        if answer is None:
            return [], "unknown_answer"
        if quotes.too_short(citation.quote, answer.text):
            return [], "quote_too_short"
        passage = quotes.find(citation.quote, answer.text)
        if passage is None:
            return [], "quote_not_found"
        found[answer.answer_id, passage] = Evidence(
            answer_id=answer.answer_id,
            persona_id=answer.persona_id,
            persona_name=answer.persona_name,
            question=answer.question,
            quote=passage,
        )
    return list(found.values()), None


def findings(held: Iterable[Held], doubts: Iterable[Doubt], sources: Mapping[str, Sequence[str]]) -> Findings:
    """What held, and counts of what did not. `sources` are the phrases each label of a theme's sources
    stands for."""
    sections: dict[str, list[Any]] = {section: [] for section in SECTIONS}
    for insight in held:
        sections[insight.section].append(_kept(insight, sources))
    rejected = Counter((doubt.section, doubt.faults[min(doubt.faults)]) for doubt in doubts)
    return Findings(
        **sections,
        rejected=[Rejection(section=section, fault=fault, count=count) for (section, fault), count in rejected.items()],
    )


def _kept(
    held: Held, sources: Mapping[str, Sequence[str]]
) -> Point | ThemeReading | Surprise | Disagreement | Recommendation:
    evidence = held.evidence[0]
    match held.insight:
        case DraftDisagreement(about=about, one_side=one, other_side=other):
            sides = [Side(position=position, evidence=held.evidence[n]) for n, position in enumerate((one, other))]
            return Disagreement(about=about, sides=sides)
        case DraftTheme(name=name, description=description, sources=labels):
            phrases = dict.fromkeys(phrase for label in labels for phrase in sources.get(label, ()))
            return ThemeReading(name=name, description=description, phrases=list(phrases), evidence=evidence)
        case DraftRecommendation(action=action, reason=reason):
            return Recommendation(action=action, reason=reason, evidence=evidence)
        case DraftSurprise(statement=statement, expectation=expectation):
            return Surprise(statement=statement, expectation=expectation, evidence=evidence)
        case DraftPoint(statement=statement):
            return Point(statement=statement, evidence=evidence)
