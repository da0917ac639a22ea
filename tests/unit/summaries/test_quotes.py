"""Quotes are found where they stand, and nowhere else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.summaries.quotes import MIN_QUOTE, comparable, find, too_short

ANSWER = "I'd pay a bit more, honestly: it is unable to break.\nMy mother said “never again” – twice."

words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
sentences = st.lists(words, min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("quote", "passage"),
    [
        ("I'd pay a bit more", "I'd pay a bit more"),
        ("I’D PAY A BIT MORE", "I'd pay a bit more"),
        ('"I\'d pay a bit more"', "I'd pay a bit more"),
        ("unable to break. My  mother said", "unable to break.\nMy mother said"),
        ('said "never again"', "said “never again"),
        ("My mother said „never again” – twice.", "My mother said “never again” – twice."),
    ],
)
def test_finds_a_quote_whatever_its_case_whitespace_and_quotation_marks(quote: str, passage: str) -> None:
    """What is found is the passage as it stands in the answer."""
    assert find(quote, ANSWER) == passage


@pytest.mark.parametrize(
    "quote",
    [
        "I would pay a bit more",
        "I'd pay a bit more honestly",
        "I'd pay ... it is unable to break",
        "able to break",
        "I'd pay a bit mor",
        "said never again",
        "never again - twice",
        "",
        '""',
    ],
)
def test_refuses_what_the_answer_does_not_say(quote: str) -> None:
    """Another word, a left out comma, an ellipsis, half a word: none of them is a quote."""
    assert find(quote, ANSWER) is None


def test_a_later_occurrence_counts_when_the_first_is_within_a_word() -> None:
    """`able` is looked for beyond `unable`."""
    assert find("able to pay", "Unable to pay? No, able to pay.") == "able to pay"


def test_scripts_without_spaces_may_be_quoted_anywhere() -> None:
    """Word boundaries are only asked for where the script has them."""
    assert find("値段が高すぎる", "正直に言うと値段が高すぎると思います") == "値段が高すぎる"


@given(sentences, st.data())
def test_every_run_of_whole_words_of_an_answer_is_found_in_it(said: list[str], data: st.DataObject) -> None:
    """However it is spaced and cased, a quote of whole words is found, and the passage says the same."""
    start = data.draw(st.integers(0, len(said) - 1))
    stop = data.draw(st.integers(start + 1, len(said)))
    quote = data.draw(st.sampled_from([" ", "\n", "\u00a0 "])).join(said[start:stop])
    if not comparable(quote)[0].strip(" \"'"):
        return
    passage = find(quote, " ".join(said))
    assert passage is not None
    assert comparable(passage)[0].strip(" \"'") == comparable(quote)[0].strip(" \"'")
    assert passage in unicodedata.normalize("NFC", " ".join(said))


@given(sentences, sentences)
def test_what_is_found_is_always_a_passage_of_the_answer(quoted: list[str], said: list[str]) -> None:
    """Whatever is asked for, a passage is either none or one that is there and compares equal."""
    quote, answer = " ".join(quoted), " ".join(said)
    passage = find(quote, answer)
    if passage is None:
        assert answer != quote or not comparable(quote)[0].strip(" \"'")
    else:
        assert passage in unicodedata.normalize("NFC", answer)


@given(sentences, st.data())
def test_a_quote_with_a_word_put_in_is_not_found(said: list[str], data: st.DataObject) -> None:
    """One invented word spoils a quote, wherever it stands."""
    at = data.draw(st.integers(0, len(said)))
    assert find(" ".join([*said[:at], "zzinventedzz", *said[at:]]), " ".join(said)) is None


def test_a_short_quote_must_be_the_whole_answer() -> None:
    """A few letters would be in any answer; an answer of a few letters may still be quoted."""
    assert too_short("it is", ANSWER)
    assert not too_short("Not for me.", "Not for me.")
    assert not too_short("x" * MIN_QUOTE, ANSWER)
