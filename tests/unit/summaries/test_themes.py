"""Themes are counted in the answers."""

from __future__ import annotations

from common.summaries.models import Evidence, ThemeReading
from common.summaries.themes import count, frequent_phrases
from tests.unit.summaries.factories import a_group, an_answer


def a_theme(name: str, *phrases: str, cites: tuple[int, int] = (0, 0)) -> ThemeReading:
    """A theme that stands for these phrases and cites the answer of a persona to a question."""
    answer = an_answer(*cites)
    evidence = Evidence(
        answer_id=answer.id, persona_id=answer.id, persona_name="P", question=cites[1], quote=answer.text
    )
    return ThemeReading(name=name, description="About it.", phrases=list(phrases), evidence=[evidence])


def test_phrases_are_counted_once_an_answer_whatever_their_case_and_spacing() -> None:
    """`Price` and `price` are one phrase."""
    answers = [an_answer(0, themes=("Price", "price ")), an_answer(1, themes=("price", "data  privacy"))]
    assert frequent_phrases(answers) == [("price", 2), ("data privacy", 1)]
    assert frequent_phrases(answers, limit=1) == [("price", 2)]


def test_counts_are_of_answers_with_a_phrase_or_cited() -> None:
    """Personas are counted once, answers each, and those of no theme are told."""
    group = a_group(personas=4, questions=2)
    answers = [
        an_answer(0, 0, themes=("fares",)),
        an_answer(0, 1, themes=("Cost",)),
        an_answer(1, 0, themes=("noise",)),
        an_answer(2, 0, themes=("weather",)),
    ]
    (theme,), unthemed = count([a_theme("Money", "cost", "fares", cites=(1, 0))], answers, group.members)
    assert (theme.answers, theme.personas, unthemed) == (3, 2, 1)


def test_segments_say_how_many_of_those_who_answered_raise_a_theme() -> None:
    """A segment of which nobody answered has no share."""
    group = a_group(personas=3, questions=1)
    answers = [an_answer(0, themes=("cost",)), an_answer(2, themes=("noise",))]
    (theme,), _ = count([a_theme("Money", "cost")], answers, group.members)
    segments = {segment.label: (segment.personas, segment.of, segment.share) for segment in theme.segments}
    assert segments == {
        "18-34": (1, 1, 1.0),
        "35-54": (0, 0, None),
        "55+": (0, 1, 0.0),
        "country": (1, 2, 0.5),
        "town": (0, 0, None),
    }
    assert all(segment.small for segment in theme.segments)


def test_the_theme_most_people_raise_comes_first() -> None:
    """Order follows the counts, whatever order the model had."""
    group = a_group(personas=3, questions=1)
    answers = [an_answer(n, themes=("cost", "noise") if n else ("noise",)) for n in range(3)]
    counted, _ = count([a_theme("Money", "cost", cites=(1, 0)), a_theme("Sleep", "noise")], answers, group.members)
    assert [(theme.name, theme.personas) for theme in counted] == [("Sleep", 3), ("Money", 2)]
