"""Counts themes in the structured answers. The model says which phrases a theme stands for; it never counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from common.summaries.models import Theme, ThemeReading, ThemeSegment
from common.summaries.sentiment import SMALL, figures, segments

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from common.summaries.group import Given, Member

MAX_PHRASES = 300
"""Phrases shown to the model at once, the most frequent first; answers with none of them may end as unthemed."""


def phrase(theme: str) -> str:
    """A theme of an answer as phrases are compared: in lower case, with single spaces."""
    return " ".join(theme.casefold().split())


def frequent_phrases(answers: Iterable[Given], limit: int = MAX_PHRASES) -> list[tuple[str, int]]:
    """The phrases most answers have, with how many do; equally frequent ones by alphabet."""
    counts = Counter(p for answer in answers for p in {phrase(theme) for theme in answer.themes})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]


def count(
    themes: Sequence[ThemeReading], answers: Sequence[Given], members: Sequence[Member]
) -> tuple[list[Theme], int]:
    """The themes with their counts, the one most personas raised first, and how many answers raise none."""
    having = [{phrase(theme) for theme in answer.themes} for answer in answers]
    spoke = {answer.persona for answer in answers}
    unthemed = set(range(len(answers)))
    counted = []
    for theme in themes:
        phrases = {phrase(p) for p in theme.phrases}
        cited = {evidence.answer_id for evidence in theme.evidence}
        found = [n for n, answer in enumerate(answers) if having[n] & phrases or answer.id in cited]
        unthemed.difference_update(found)
        personas = {answers[n].persona for n in found}
        counted.append(
            Theme(
                name=theme.name,
                description=theme.description,
                answers=len(found),
                personas=len(personas),
                sentiment=figures([answers[n] for n in found]),
                segments=_segments(personas, spoke, members),
                phrases=theme.phrases,
                evidence=theme.evidence,
            )
        )
    counted.sort(key=lambda theme: (-theme.personas, -theme.answers, theme.name))
    return counted, len(unthemed)


def _segments(personas: set[int], spoke: set[int], members: Sequence[Member]) -> list[ThemeSegment]:
    found = []
    for (dimension, label), belonging in segments(members).items():
        of = len(belonging & spoke)
        raised = len(belonging & personas)
        found.append(
            ThemeSegment(
                dimension=dimension,
                label=label,
                personas=raised,
                of=of,
                share=round(raised / of, 4) if of else None,
                small=of < SMALL,
            )
        )
    return found
