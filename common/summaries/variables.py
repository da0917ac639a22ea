"""What the prompts of an analysis are filled with. Everything people or models wrote goes in as data."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from common.summaries.checking import Citable, Doubt, Found
    from common.summaries.group import Answer, Group
    from common.summaries.models import Evidence, Findings, Reading, Sentiment

from common.summaries.checking import claims
from common.summaries.drafts import Citation
from common.summaries.themes import phrase


def about(group: Group) -> dict[str, Any]:
    """The variables every prompt of a group shares; they come first, so that a provider can cache them."""
    return {
        "language": group.language,
        "group": {"name": group.name, "mode": group.mode, "briefing": group.briefing},
        "questions": [{"label": f"Q{n}", "text": text} for n, text in enumerate(group.questions, start=1)],
    }


def people(answers: Iterable[Answer], group: Group, phrases: Mapping[str, str]) -> list[dict[str, Any]]:
    """The answers by persona. Labels are those of `checking.labelled` for the same answers in the same
    order; `phrases` maps a phrase to its label."""
    numbered = enumerate(answers, start=1)
    found = []
    for position, theirs in groupby(numbered, key=lambda item: item[1].persona):
        found.append(
            {
                "label": f"P{position + 1}",
                "who": group.members[position].demographics,
                "answers": [
                    {
                        "label": f"A{number}",
                        "question": f"Q{answer.question + 1}",
                        "stance": answer.stance,
                        "sentiment": round(answer.sentiment, 2),
                        "phrases": _labels(answer.themes, phrases),
                        "text": answer.text,
                    }
                    for number, answer in theirs
                ],
            }
        )
    return found


def phrase_table(phrases: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """The phrases a theme may stand for, with labels T1, T2 ..., and how many answers have them."""
    return [{"label": f"T{n}", "phrase": text, "answers": count} for n, (text, count) in enumerate(phrases, start=1)]


def figures(sentiment: Sentiment) -> dict[str, Any]:
    """The computed figures a report may lean on."""
    return {
        "overall": sentiment.overall.mean,
        "by_question": [
            {
                "question": f"Q{asked.question + 1}",
                "answers": asked.figures.answers,
                "mean": asked.figures.mean,
                "stances": asked.stances,
            }
            for asked in sentiment.by_question
        ],
        "by_segment": [
            {
                "dimension": segment.dimension,
                "label": segment.label,
                "personas": segment.figures.personas,
                "mean": segment.figures.mean,
            }
            for segment in sentiment.by_segment
            if segment.figures.answers
        ],
    }


def readings(parts: Sequence[Reading], labels: Mapping[Any, str]) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """The readings to merge, and the phrases behind each label (H1, H2 ...) of their themes.

    `labels` maps an answer's id to its label.
    """
    sources: dict[str, list[str]] = {}
    shown = []
    for part in parts:
        themes = []
        for theme in part.findings.themes:
            label = f"H{len(sources) + 1}"
            sources[label] = theme.phrases
            themes.append(
                {
                    "label": label,
                    "name": theme.name,
                    "description": theme.description,
                    "evidence": _cited(theme.evidence, labels),
                }
            )
        shown.append({"answers": part.answers_read, "themes": themes, **_rest(part.findings, labels)})
    return shown, sources


def statements(found: Found, doubts: Sequence[Doubt]) -> list[dict[str, Any]]:
    """The claims in doubt, with labels S1, S2 ..., what they cite and what is wrong with that."""
    listed: list[dict[str, Any]] = []
    for doubt in doubts:
        made = claims(found[doubt.index][1])
        for number, fault in doubt.faults.items():
            listed.append(
                {
                    "label": f"S{len(listed) + 1}",
                    "statement": made[number].statement,
                    "fault": fault,
                    "evidence": [str(citation) for citation in made[number].citations],
                }
            )
    return listed


def cited(evidence: Mapping[str, Citable]) -> list[dict[str, Any]]:
    """Answers by their labels."""
    return [
        {"label": label, "question": f"Q{answer.question + 1}", "text": answer.text}
        for label, answer in evidence.items()
    ]


def _rest(findings: Findings, labels: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "surprising": [
            {"statement": s.statement, "expectation": s.expectation, "evidence": _cited(s.evidence, labels)}
            for s in findings.surprising
        ],
        "disagreements": [
            {
                "about": d.about,
                "one_side": d.sides[0].position,
                "one_side_evidence": _cited(d.sides[0].evidence, labels),
                "other_side": d.sides[1].position,
                "other_side_evidence": _cited(d.sides[1].evidence, labels),
            }
            for d in findings.disagreements
        ],
    }


def _cited(evidence: Sequence[Evidence], labels: Mapping[Any, str]) -> list[str]:
    return [str(Citation(answer=labels[e.answer_id], quote=e.quote)) for e in evidence]


def _labels(themes: Iterable[str], phrases: Mapping[str, str]) -> list[str]:
    return [phrases[p] for p in dict.fromkeys(map(phrase, themes)) if p in phrases]
