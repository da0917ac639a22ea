"""Groups and answers to summarise."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID, uuid5

from common.summaries.group import Answer, Group, Member

NAMESPACE = UUID(int=7)
AGES = ("18-34", "35-54", "55+")
TEXTS = {
    "support": [
        "I would sign up tomorrow, the price is fair for what it does. My commute alone would pay for it.",
        "Good idea. I have been looking for something like this since we moved out of town.",
    ],
    "oppose": [
        "No, thank you. I do not trust companies with my data, and nobody could tell me who stores it.",
        "It is too expensive for us. With two children we count every month, and this is not a need.",
    ],
    "mixed": [
        "Hard to say. The price is fine, but I would want to see that it works where I live.",
        "Part of me likes it. Then again I would miss the people at the counter.",
    ],
}
THEMES = {"support": ["price", "commuting"], "oppose": ["data privacy", "household budget"], "mixed": ["price"]}
SENTIMENT = {"support": 0.6, "oppose": -0.7, "mixed": 0.0}


def identifier(name: str) -> UUID:
    """An id that is the same in every run."""
    return uuid5(NAMESPACE, name)


def a_group(personas: int = 6, questions: int = 2, language: str = "en", **changes: Any) -> Group:
    """A group of personas of three ages, in town or country."""
    values: dict[str, Any] = {
        "id": identifier("group"),
        "project_id": identifier("project"),
        "job_id": identifier("job"),
        "name": "Night buses",
        "mode": "interview",
        "language": language,
        "briefing": "The city plans night buses.",
        "questions": [f"What do you think of plan {n + 1}?" for n in range(questions)],
        "members": [
            Member(
                identifier(f"persona {n}"),
                f"Person {n}",
                {"age": AGES[n % 3], "place": "town" if n % 2 else "country"},
            )
            for n in range(personas)
        ],
    }
    return Group(**(values | changes))


def an_answer(persona: int = 0, question: int = 0, stance: str = "support", **changes: Any) -> Answer:
    """One answer; what is not said follows from the stance."""
    values: dict[str, Any] = {
        "id": identifier(f"answer {persona} {question}"),
        "persona": persona,
        "question": question,
        "stance": stance,
        "sentiment": SENTIMENT[stance],
        "themes": tuple(THEMES[stance]),
        "text": TEXTS[stance][(persona + question) % 2],
    }
    return Answer(**(values | changes))


def answers_of(group: Group, seed: int = 1) -> list[Answer]:
    """An answer of every member to every question, with stances at random."""
    rng = random.Random(seed)
    return [
        an_answer(persona, question, rng.choice(list(TEXTS)))
        for persona in range(len(group.members))
        for question in range(len(group.questions))
    ]
