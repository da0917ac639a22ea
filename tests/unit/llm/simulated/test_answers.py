"""The simulated respondents."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.focus_groups.models import AnswerContent
from common.llm.simulated.answers import play_answer, play_discussion
from common.llm.simulated.questions import DATA, LANGUAGES, vocabulary

QUESTIONS = {
    "en": [
        "What do you think about plant-based milk?",
        "Would you pay more for coffee in reusable cups?",
        "What worries you most about online banking?",
        "How often do you buy clothes?",
        "What would convince you to switch to an electric car?",
        "How important is privacy to you when using apps?",
    ],
    "pl": [
        "Co sądzisz o mleku roślinnym?",
        "Czy zapłacisz więcej za kawę w kubku wielorazowym?",
        "Co Cię najbardziej martwi w bankowości internetowej?",
        "Jak często kupujesz ubrania?",
        "Co by Cię przekonało do samochodu elektrycznego?",
        "Jak ważna jest dla Ciebie prywatność w aplikacjach?",
    ],
}


def persona(number: int = 0, **traits: float) -> dict[str, Any]:
    """One of many different people."""
    drawn = random.Random(number)
    scores = {
        name: drawn.gauss(50, 10)
        for name in ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    }
    return {
        "name": f"Anna {number}",
        "age_years": 20 + number % 60,
        "occupation": "nurse",
        "demographics": {"gender": "women", "place": "village"},
        "traits": scores | traits,
        "values": ["honesty", "family"],
        "concerns": ["rising rent", "her mother's health"],
        "needs": ["more sleep"],
        "pains": ["long commute"],
    }


def asked(question: str, number: int = 0, language: str = "en", **changes: Any) -> dict[str, Any]:
    """The variables of a question to a persona."""
    values = {"language": language, "briefing": "", "persona": persona(number), "memory": [], "question": question}
    return values | changes


def play(question: str, number: int = 0, seed: int = 1, **changes: Any) -> AnswerContent:
    """The checked answer of a persona."""
    chance = random.Random(f"{seed} {number}")
    return AnswerContent.model_validate(play_answer(asked(question, number, **changes), chance))


def heard(mean: float, stance: str, words: str = "It saves me time. Really.") -> dict[str, Any]:
    """What a persona heard in a round where all were of one stance."""
    return {
        "digest": {
            "question": "Why?",
            "members": 9,
            "answered": 9,
            "stances": {"support": 9},
            "mean_sentiment": mean,
            "themes": [{"theme": "tempo", "answers": 9}],
        },
        "quotes": [{"speaker": "Bogumił", "stance": stance, "text": words}],
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_are_valid_and_read_like_answers(language: str) -> None:
    """Two to five sentences without an unfilled gap, a sentiment that fits the stance, and known themes."""
    labels = {theme["label"] for theme in vocabulary(language).words["themes"].values()}
    for question in QUESTIONS[language]:
        for number in range(30):
            answer = play(question, number, language=language)
            assert not re.search(r"[\[\]{}|]|\.\.|\s[,.]|  ", answer.text), answer.text
            assert 2 <= len(re.findall(r"[.!?](?:\s|$)", answer.text)) <= 6
            assert 1 <= len(answer.themes) <= 2
            assert set(answer.themes) <= labels
            if answer.stance == "support":
                assert answer.sentiment > 0.1
            elif answer.stance == "oppose":
                assert answer.sentiment < -0.1
            else:
                assert abs(answer.sentiment) < 0.4
            if answer.stance == "unsure":
                assert answer.confidence < 0.6


@pytest.mark.parametrize(
    ("question", "language", "topic"),
    [
        ("What do you think about plant-based milk?", "en", "plant-based milk"),
        ("How important is your privacy to you?", "en", "my privacy"),
        ("What worries you most about online banking, and why?", "en", "online banking"),
        ("Describe your morning.", "en", "my morning"),
        ("Co sądzisz o mleku roślinnym?", "pl", "mleku roślinnym"),
        ("Opisz swój poranek.", "pl", "mój poranek"),
        ("Co Cię martwi w bankowości internetowej?", "pl", "bankowości internetowej"),
        ("What would FitPath have to do for you to trust it?", "en", "FitPath"),
        ("What should be on the carton to win you over?", "en", "the carton"),
    ],
)
def test_the_answer_takes_up_the_topic(question: str, language: str, topic: str) -> None:
    """What the question is about is in the answer, seen from the one who speaks."""
    assert topic in play(question, language=language).text


@pytest.mark.parametrize(
    ("question", "language", "topic"),
    [
        ("What do you think of oat milk at 3.99 zl a litre?", "en", "oat milk at 3.99 zl a litre"),
        ("What do you think about Windows 3.1. Is it any good?", "en", "Windows 3.1"),
        ("What do you think of closing at 10:30?", "en", "closing at 10:30"),
        ("Co sądzisz o cenie 3,99 zł, a nie 5 zł?", "pl", "cenie 3,99 zł"),
    ],
)
def test_a_point_within_a_number_ends_nothing(question: str, language: str, topic: str) -> None:
    """A price is taken up whole."""
    assert vocabulary(language).read(question).topic.words == topic


@pytest.mark.parametrize(
    ("question", "language", "topic"),
    [
        ("Would you pay 7.99 zł for it when milk costs 3.99 zł?", "en", ""),
        ("What would have to change for you to buy it?", "en", ""),
        ("Czy zapłacisz za niego 7,99 zł?", "pl", ""),
        ("Co pijesz lub czego dolewasz do kawy?", "pl", "kawy"),
        ("?!", "en", ""),
    ],
)
def test_what_is_no_topic_is_not_taken_for_one(question: str, language: str, topic: str) -> None:
    """Pronouns, numbers and halves of sentences are left alone, and the answer does without."""
    assert vocabulary(language).read(question).topic.words == topic
    assert play(question, language=language).text


def test_the_same_seed_gives_the_same_answer() -> None:
    """And another seed says it in other words."""
    question = QUESTIONS["en"][0]
    assert play(question, seed=5) == play(question, seed=5)
    assert len({play(question, seed=seed).text for seed in range(20)}) > 15


@pytest.mark.parametrize("language", LANGUAGES)
def test_personas_differ(language: str) -> None:
    """A hundred people hold every stance, no stance is everybody's, and hardly two say the same."""
    answers = [play(QUESTIONS[language][1], number, language=language) for number in range(100)]
    stances = Counter(answer.stance for answer in answers)
    assert len(stances) >= 4
    assert max(stances.values()) < 70
    assert len({answer.text for answer in answers}) > 95


def test_a_persona_stays_itself() -> None:
    """Asked the same with other seeds, nearly everybody keeps a position once taken."""
    turned = 0
    for number in range(60):
        stances = {play(QUESTIONS["en"][1], number, seed=seed).stance for seed in range(4)}
        turned += {"support", "oppose"} <= stances
    assert turned == 0


def test_traits_count() -> None:
    """Agreeable and calm people see things more kindly than disagreeable and anxious ones."""

    def mean(**traits: float) -> float:
        answers = [play(QUESTIONS["en"][0], n, persona=persona(n, **traits)) for n in range(80)]
        return sum(answer.sentiment for answer in answers) / len(answers)

    assert mean(agreeableness=70, neuroticism=30) > mean(agreeableness=30, neuroticism=70) + 0.2


def test_the_life_of_the_persona_is_in_its_answers() -> None:
    """Age, work, values and worries come up, told in the first person."""
    texts = " ".join(play(question, 14, seed=seed).text for question in QUESTIONS["en"] for seed in range(30))
    for word in ("At 34", "a nurse", "honesty", "my mother's health", "more sleep"):
        assert word in texts
    assert "her mother" not in texts


def test_earlier_answers_are_remembered() -> None:
    """Where a theme comes up again, some say so."""
    memory = [{"question": "What about tea?", "answer": "It costs too much, the price stops me.", "shortened": False}]
    texts = [play(QUESTIONS["en"][1], number, memory=memory).text for number in range(100)]
    assert any("price." in text and ("before" in text or "Again" in text or "earlier" in text) for text in texts)
    assert any("what I said about tea" in text for text in texts)


def discuss(number: int, said: dict[str, Any] | None, **changes: Any) -> AnswerContent:
    """The checked answer of a persona in a discussion."""
    filled = asked(QUESTIONS["en"][1], number, heard=said, **changes)
    return AnswerContent.model_validate(play_discussion(filled, random.Random(f"1 {number}")))


def test_in_a_discussion_others_are_taken_up() -> None:
    """Some refer to a speaker, some quote, some name a theme; before anybody has spoken nobody does."""
    texts = [discuss(number, heard(0.6, "support")).text for number in range(100)]
    assert 10 < sum("Bogumił" in text for text in texts) < 80
    assert any("“It saves me time”" in text for text in texts)
    assert any("tempo" in text.lower() for text in texts)
    assert discuss(3, None) == play(QUESTIONS["en"][1], 3)
    nothing = heard(0.0, "support") | {"quotes": []}
    nothing["digest"] |= {"answered": 0, "mean_sentiment": None, "themes": []}
    assert discuss(3, nothing) == play(QUESTIONS["en"][1], 3)


def test_others_move_the_agreeable_more() -> None:
    """Hearing praise lifts everybody's view a little, that of agreeable people most."""

    def lift(agreeableness: float) -> float:
        changed = 0.0
        for number in range(60):
            who = persona(number, agreeableness=agreeableness)
            up = discuss(number, heard(0.9, "support"), persona=who).sentiment
            down = discuss(number, heard(-0.9, "oppose"), persona=who).sentiment
            changed += up - down
        return changed / 60

    assert lift(70) > lift(50) > lift(30)


@given(
    question=st.text(max_size=300),
    language=st.sampled_from(["en", "pl", "de", "pl-PL", "EN-gb"]),
    words=st.text(max_size=200),
    seed=st.integers(min_value=0, max_value=1000),
)
def test_any_text_gets_a_valid_answer(question: str, language: str, words: str, seed: int) -> None:
    """Whatever is asked, of whomever, after whatever was said."""
    someone = persona(seed) | {"values": [words], "concerns": [words], "occupation": words, "name": words}
    memory = [{"question": words, "answer": words, "shortened": False}]
    filled = asked(question, language=language, persona=someone, memory=memory, heard=heard(0.4, "mixed", words))
    AnswerContent.model_validate(play_answer(filled, random.Random(seed)))
    AnswerContent.model_validate(play_discussion(filled, random.Random(seed)))


def test_a_persona_with_hardly_a_profile_answers_too() -> None:
    """Nothing but a name is enough."""
    assert play("Why?", persona={"name": "Jo", "demographics": {}, "traits": {}}).text


def test_both_languages_have_the_same_vocabulary() -> None:
    """Every theme, kind of question and stance is there in each language, with sentences for each side."""
    english, polish = (json.loads((DATA / f"answers.{language}.json").read_text()) for language in LANGUAGES)
    assert list(english["themes"]) == list(polish["themes"])
    assert [kind for kind, _ in english["kinds"]] == [kind for kind, _ in polish["kinds"]]
    for words in (english, polish):
        assert set(words) == set(english)
        for theme in words["themes"].values():
            assert all(len(theme[side]) >= 2 for side in ("for", "against", "weigh"))
        for kind, _ in words["kinds"]:
            assert set(words["clauses"][kind]) == set(words["closings"])
        assert {case for case, _ in words["topics"]} | {"name", "none"} == set(words["leads"])


def test_choices_in_the_vocabulary_are_well_formed() -> None:
    """Brackets close where they open and are never nested."""

    def sentences(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in sentences(each)]

    for language in LANGUAGES:
        words = vocabulary(language).words
        for text in sentences(
            [words[part] for part in ("themes", "clauses", "grounds", "memory", "heard", "closings")]
        ):
            brackets = re.findall(r"[\[\]]", text)
            assert brackets[::2] == ["["] * (len(brackets) // 2)
            assert all(pair == ("[", "]") for pair in list(pairwise(brackets))[::2])
