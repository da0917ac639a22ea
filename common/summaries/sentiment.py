"""Sentiment by question and by segment, computed from the structured answers. What nobody answered is a gap."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from common.summaries.models import (
    CellSentiment,
    Distribution,
    Figures,
    QuestionSentiment,
    SegmentSentiment,
    Sentiment,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from common.summaries.group import Given, Member

SMALL = 30
"""Figures of fewer personas are marked: the least sample the US National Center for Health Statistics presents
a proportion from (Parker et al. 2017, Vital and Health Statistics 2(175)). Personas are counted rather than
answers, since the answers of one are not independent."""

_BINS = ((-0.6, "very_negative"), (-0.2, "negative"))
_BINS_ABOVE = ((0.6, "very_positive"), (0.2, "positive"))


def figures(answers: Sequence[Given]) -> Figures:
    """Mean and (population) standard deviation of the sentiment of these answers."""
    values = [answer.sentiment for answer in answers]
    personas = len({answer.persona for answer in answers})
    return Figures(
        answers=len(values),
        personas=personas,
        mean=round(fmean(values), 4) if values else None,
        deviation=round(pstdev(values), 4) if values else None,
        small=personas < SMALL,
    )


def distribution(answers: Iterable[Given]) -> Distribution:
    """Answers by bins of sentiment."""
    return Distribution(**Counter(_bin(answer.sentiment) for answer in answers))


def segments(members: Sequence[Member]) -> dict[tuple[str, str], set[int]]:
    """The positions of the members of every segment, by dimension and label: dimensions by name, labels by
    name within them, so that reports of one panel can be laid side by side."""
    found: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for position, member in enumerate(members):
        for dimension, label in member.demographics.items():
            found[dimension, label].add(position)
    return dict(sorted(found.items()))


def measure(answers: Sequence[Given], questions: Sequence[str], members: Sequence[Member]) -> Sentiment:
    """Sentiment of every question, every segment and every segment on every question, answered or not."""
    by_question: dict[int, list[Given]] = {position: [] for position in range(len(questions))}
    by_segment: dict[tuple[str, str], dict[int, list[Given]]] = {
        segment: {position: [] for position in by_question} for segment in segments(members)
    }
    for answer in answers:
        by_question[answer.question].append(answer)
        for segment in members[answer.persona].demographics.items():
            by_segment[segment][answer.question].append(answer)
    return Sentiment(
        overall=figures(answers),
        distribution=distribution(answers),
        by_question=[
            QuestionSentiment(
                question=position,
                text=questions[position],
                figures=figures(asked),
                distribution=distribution(asked),
                stances=dict(sorted(Counter(answer.stance for answer in asked).items())),
            )
            for position, asked in by_question.items()
        ],
        by_segment=[
            _segment(dimension, label, [answer for asked in theirs.values() for answer in asked])
            for (dimension, label), theirs in by_segment.items()
        ],
        cells=[
            _cell(question, dimension, label, asked)
            for (dimension, label), theirs in by_segment.items()
            for question, asked in theirs.items()
        ],
    )


def _segment(dimension: str, label: str, answers: Sequence[Given]) -> SegmentSentiment:
    return SegmentSentiment(
        dimension=dimension, label=label, figures=figures(answers), distribution=distribution(answers)
    )


def _cell(question: int, dimension: str, label: str, answers: Sequence[Given]) -> CellSentiment:
    found = figures(answers)
    return CellSentiment(
        question=question,
        dimension=dimension,
        label=label,
        answers=found.answers,
        mean=found.mean,
        small=found.small,
    )


def _bin(sentiment: float) -> str:
    for bound, name in _BINS:
        if sentiment < bound:
            return name
    for bound, name in _BINS_ABOVE:
        if sentiment > bound:
            return name
    return "neutral"
