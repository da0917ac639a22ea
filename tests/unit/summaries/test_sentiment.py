"""Sentiment is computed from the answers, and what nobody answered is a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.summaries.models import Distribution
from common.summaries.sentiment import SMALL, distribution, figures, measure
from tests.unit.summaries.factories import a_group, an_answer, answers_of


def test_figures_count_answers_and_personas_apart() -> None:
    """Two answers of one persona are two answers and one persona."""
    found = figures([an_answer(0, 0, sentiment=1.0), an_answer(0, 1, sentiment=-0.5)])
    assert (found.answers, found.personas) == (2, 1)
    assert (found.mean, found.deviation) == (0.25, 0.75)


def test_without_answers_there_is_a_gap_and_no_zero() -> None:
    """A mean of nothing is None."""
    found = figures([])
    assert (found.answers, found.mean, found.deviation, found.small) == (0, None, None, True)


@pytest.mark.parametrize(("personas", "small"), [(SMALL - 1, True), (SMALL, False)])
def test_figures_of_few_personas_are_marked(personas: int, small: bool) -> None:
    """The mark depends on personas, not on answers."""
    answers = [an_answer(persona, question) for persona in range(personas) for question in range(3)]
    assert figures(answers).small is small


@pytest.mark.parametrize(
    ("sentiment", "bin_"),
    [
        (-1.0, "very_negative"),
        (-0.6, "negative"),
        (-0.2, "neutral"),
        (0.2, "neutral"),
        (0.6, "positive"),
        (0.61, "very_positive"),
        (1.0, "very_positive"),
    ],
)
def test_bins_meet_without_gap_or_overlap(sentiment: float, bin_: str) -> None:
    """Each bound belongs to the bin nearer to neutral."""
    assert distribution([an_answer(sentiment=sentiment)]) == Distribution(**{bin_: 1})


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_the_distribution_counts_every_answer_once(sentiments: list[float]) -> None:
    """The bins sum to the number of answers."""
    counted = distribution([an_answer(persona=n, sentiment=s) for n, s in enumerate(sentiments)])
    assert sum(counted.model_dump().values()) == len(sentiments)


def test_every_question_and_segment_has_figures_answered_or_not() -> None:
    """A question nobody answered, and a segment nobody of which did, are there with gaps."""
    group = a_group(personas=3, questions=2)
    measured = measure([an_answer(0, 0), an_answer(2, 0, "oppose")], group.questions, group.members)
    assert [asked.figures.mean for asked in measured.by_question] == [-0.05, None]
    assert measured.by_question[0].stances == {"oppose": 1, "support": 1}
    by_segment = {(s.dimension, s.label): s.figures.mean for s in measured.by_segment}
    assert by_segment == {
        ("age", "18-34"): 0.6,
        ("age", "35-54"): None,
        ("age", "55+"): -0.7,
        ("place", "country"): -0.05,
        ("place", "town"): None,
    }
    assert len(measured.cells) == 2 * 5
    assert [c.mean for c in measured.cells if (c.question, c.label) == (1, "18-34")] == [None]


def test_segments_together_have_every_answer_of_a_dimension() -> None:
    """Over the labels of a dimension, answers sum to all of them."""
    group = a_group(personas=9, questions=3)
    measured = measure(answers_of(group), group.questions, group.members)
    for dimension in ("age", "place"):
        theirs = [segment for segment in measured.by_segment if segment.dimension == dimension]
        assert sum(segment.figures.answers for segment in theirs) == 27
        assert sum(cell.answers for cell in measured.cells if cell.dimension == dimension) == 27
