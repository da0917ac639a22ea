"""What is heard of the round before."""

from __future__ import annotations

import random
from collections import Counter
from typing import get_args
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from common.focus_groups.models import Stance
from common.focus_groups.rounds import (
    DIGEST_THEMES,
    QUOTABLE_PER_STANCE,
    QUOTES_HEARD,
    Said,
    choose_quotes,
    digest,
    quotable,
)

SPACE = UUID(int=0)
STANCES = get_args(Stance)


def said(position: int, stance: Stance = "support", **changes: object) -> Said:
    """The answer of the persona at a position."""
    values: dict[str, object] = {
        "answer_id": uuid5(SPACE, f"answer {position}"),
        "persona_id": uuid5(SPACE, f"persona {position}"),
        "speaker": f"Anna{position}",
        "text": f"I am number {position}.",
        "stance": stance,
        "sentiment": 0.5,
        "themes": ["price"],
    }
    return Said(**(values | changes))  # type: ignore[arg-type]


ROUNDS = st.lists(st.sampled_from(STANCES), max_size=60).map(
    lambda stances: [said(position, stance) for position, stance in enumerate(stances)]
)


def test_a_digest_counts_stances_and_themes() -> None:
    """Themes count once in each answer, most frequent first and then by name; the failed ones are the rest."""
    found = digest(
        "Why?",
        4,
        [
            said(0, themes=["price", "Price ", "taste"], sentiment=0.5),
            said(1, "oppose", themes=["taste"], sentiment=-1.0),
            said(2, themes=["habit", "price"], sentiment=0.2),
        ],
    )
    assert (found.question, found.members, found.answered, found.mean_sentiment) == ("Why?", 4, 3, -0.1)
    assert found.stances == {"support": 2, "oppose": 1, "mixed": 0, "neutral": 0, "unsure": 0}
    assert [(each.theme, each.answers) for each in found.themes] == [("price", 2), ("taste", 2), ("habit", 1)]


def test_a_round_without_answers_has_a_digest_too() -> None:
    """When all answers failed there is no mean, no theme and no quote, and it can be said so."""
    found = digest("Why?", 3, [])
    assert (found.answered, found.mean_sentiment, found.themes) == (0, None, [])
    assert quotable([], seed=1, round=0) == []


@given(ROUNDS, st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order_of_answers(answers: list[Said], shuffled: random.Random) -> None:
    """The same answers in another order are the same digest."""
    mixed = answers[:]
    shuffled.shuffle(mixed)
    assert digest("Why?", 60, mixed) == digest("Why?", 60, answers)
    assert len(digest("Why?", 60, answers).themes) <= DIGEST_THEMES


@given(ROUNDS, st.integers(min_value=0, max_value=59), st.integers(min_value=0, max_value=2**31))
def test_a_listener_hears_a_few_others_of_as_many_stances_as_there_are(
    answers: list[Said], position: int, seed: int
) -> None:
    """Never its own words, never one twice, and no stance a second time before each other one once."""
    listener = uuid5(SPACE, f"persona {position}")
    quotes = quotable(answers, seed=seed, round=1)
    heard = choose_quotes(quotes, listener=listener, seed=seed, round=1)
    others = [each for each in answers if each.persona_id != listener]
    assert len(heard) == min(QUOTES_HEARD, len(others))
    assert len({each.answer_id for each in heard}) == len(heard)
    assert listener not in {each.persona_id for each in heard}
    there_are = len({each.stance for each in others})
    assert len({each.stance for each in heard}) == min(there_are, QUOTES_HEARD)
    assert heard == choose_quotes(quotes, listener=listener, seed=seed, round=1)


def test_listeners_hear_different_people() -> None:
    """Over a large group the choice spreads instead of repeating the same few."""
    answers = [said(position, STANCES[position % 5]) for position in range(100)]
    quotes = quotable(answers, seed=3, round=0)
    heard = Counter(
        quote.persona_id
        for position in range(100)
        for quote in choose_quotes(quotes, listener=answers[position].persona_id, seed=3, round=0)
    )
    assert len(heard) > 90
    assert max(heard.values()) < 20


def test_what_is_kept_of_a_large_round_stays_small() -> None:
    """Of a stance that very many share only some may be quoted, drawn by the seed; long texts are shortened."""
    answers = [said(position, text="word " * 500) for position in range(1000)] + [said(1000, "oppose")]
    quotes = quotable(answers, seed=1, round=0)
    assert Counter(quote.stance for quote in quotes) == {"support": QUOTABLE_PER_STANCE, "oppose": 1}
    assert all(len(quote.text) <= 280 for quote in quotes)
    assert quotes == quotable(answers, seed=1, round=0) != quotable(answers, seed=2, round=0)
