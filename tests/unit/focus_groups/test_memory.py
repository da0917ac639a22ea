"""What a persona remembers of its own answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.focus_groups.memory import CHARACTERS_PER_TOKEN, CUT, remember, shorten

PAIRS = st.lists(st.tuples(st.text(max_size=400), st.text(max_size=900)), max_size=49)


def test_what_fits_is_remembered_word_for_word() -> None:
    """Nothing is shortened while there is room."""
    found = remember([("Why?", "Because."), ("How?", "Slowly.")], tokens=100)
    assert [(each.question, each.answer, each.shortened) for each in found] == [
        ("Why?", "Because.", False),
        ("How?", "Slowly.", False),
    ]


def test_older_answers_are_shortened_before_newer_ones() -> None:
    """The newest answer stays whole, the oldest keeps a beginning and says that it is one."""
    found = remember([("Question?", "word " * 100)] * 3, tokens=350)
    assert [each.shortened for each in found] == [True, True, False]
    assert found[0].answer.endswith(CUT)
    assert found[0].question == "Question?"
    assert len(found[0].answer) < len(found[1].answer) < len(found[2].answer)


@given(PAIRS, st.integers(min_value=1000, max_value=4000))
def test_nothing_is_dropped_and_the_limit_holds(earlier: list[tuple[str, str]], tokens: int) -> None:
    """Every earlier answer is there in its order, within the limit; what is not shortened is the original."""
    found = remember(earlier, tokens=tokens)
    assert len(found) == len(earlier)
    assert sum(len(each.question) + len(each.answer) for each in found) <= tokens * CHARACTERS_PER_TOKEN
    for each, (question, answer) in zip(found, earlier, strict=True):
        assert each.question.removesuffix(CUT).rstrip() == question[: len(each.question.removesuffix(CUT))].rstrip()
        if not each.shortened:
            assert (each.question, each.answer) == (question, answer)
        else:
            assert each.answer or not answer


@given(st.text(max_size=200), st.integers(min_value=10, max_value=250))
def test_a_shortened_text_is_its_beginning(text: str, limit: int) -> None:
    """It fits the limit, begins like the whole, and carries a mark only where something is missing."""
    short = shorten(text, limit)
    assert len(short) <= max(limit, len(CUT))
    if len(text) <= limit:
        assert short == text
    else:
        assert short.endswith(CUT)
        assert text.startswith(short.removesuffix(CUT))
