"""Portions hold every answer once, and the plan merges every portion once."""

from __future__ import annotations

from itertools import groupby, pairwise
from operator import attrgetter

from hypothesis import given
from hypothesis import strategies as st

from common.summaries.portions import FAN_IN, PERSONA_TOKENS, Portion, Size, divide, levels, places, steps


@st.composite
def groups(draw: st.DrawFn) -> list[Size]:
    """Answers of up to 30 personas to up to 6 questions, some of them missing."""
    questions = draw(st.integers(1, 6))
    return [
        Size(persona, question, draw(st.integers(1, 4000)))
        for persona in range(draw(st.integers(0, 30)))
        for question in sorted(draw(st.sets(st.integers(0, questions - 1))))
    ]


def _answers(sizes: list[Size], portions: list[Portion], number: int) -> list[Size]:
    """The answers between a portion's places, as the database finds them."""
    first, stop = places(portions, number)
    return [s for s in sizes if (s.persona, s.question) >= first and (stop is None or (s.persona, s.question) < stop)]


@given(groups(), st.integers(100, 5000))
def test_every_answer_is_in_exactly_one_portion(sizes: list[Size], budget: int) -> None:
    """Read one after the other, the portions give the answers of the group, in order."""
    portions = divide(sizes, budget)
    read = [_answers(sizes, portions, number) for number in range(len(portions))]
    assert [answer for portion in read for answer in portion] == sizes
    assert [len(portion) for portion in read] == [portion.answers for portion in portions]
    assert [portion[-1].persona for portion in read] == [portion.last_persona for portion in portions]


@given(groups(), st.integers(100, 5000))
def test_portions_keep_to_the_budget_and_personas_together(sizes: list[Size], budget: int) -> None:
    """Only an answer that is over the budget by itself breaks it, and only a persona that is, is divided."""
    portions = divide(sizes, budget)
    for number in range(len(portions)):
        read = _answers(sizes, portions, number)
        tokens = sum(a.tokens for a in read) + PERSONA_TOKENS * len({a.persona for a in read})
        assert tokens <= budget or len(read) == 1
    for portion, after in pairwise(portions):
        if portion.last_persona == after.persona:
            theirs = [a for a in sizes if a.persona == after.persona]
            assert sum(a.tokens for a in theirs) + PERSONA_TOKENS > budget


def test_portions_are_of_about_equal_size() -> None:
    """A group a little over the budget is divided in halves, not into a full portion and a rest."""
    sizes = [Size(persona, question, 300) for persona in range(22) for question in range(4)]
    halves = divide(sizes, budget=20 * (4 * sizes[0].tokens + PERSONA_TOKENS))
    assert [portion.answers for portion in halves] == [44, 44]


@given(st.integers(1, 400), st.integers(2, 12))
def test_every_item_is_merged_exactly_once_into_the_report(portions: int, fan_in: int) -> None:
    """Each item but the last is a source of one item of the next round, within what a call can merge."""
    planned = steps(portions, fan_in)
    merged = [source for step in planned for source in range(*step.sources)]
    assert merged == list(range(len(planned) - 1))
    assert all(planned[source].round == step.round - 1 for step in planned for source in range(*step.sources))
    assert all(step.sources[1] - step.sources[0] <= fan_in for step in planned)
    assert (planned[-1].first, planned[-1].last) == (0, portions - 1)


@given(st.integers(1, 400), st.integers(2, 12))
def test_rounds_have_as_many_items_as_the_plan(portions: int, fan_in: int) -> None:
    """What a job is told of its rounds is what is laid out."""
    laid_out = [len(list(items)) for _, items in groupby(steps(portions, fan_in), key=attrgetter("round"))]
    assert laid_out == levels(portions, fan_in)


def test_a_group_that_fits_is_read_at_once() -> None:
    """One portion needs one item; a few need one reader each and one that merges."""
    assert [step.kind for step in steps(1)] == ["whole"]
    assert [step.kind for step in steps(3)] == ["part", "part", "part", "merge"]
    assert levels(FAN_IN + 1) == [FAN_IN + 1, 2, 1]
