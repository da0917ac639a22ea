"""What the simulated analyst finds in answers: frequent phrases, odd segments, people who turn, opposite stances."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Any

DATA = Path(__file__).parent / "data" / "analysis.json"
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
QUOTE_LENGTH = range(20, 240)
"""Characters a quoted sentence should have."""

LEANING = 0.2
"""The mean sentiment from which a theme or a group counts as positive, or negative below zero."""

Drawn = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One answer as the prompt shows it."""

    label: str
    person: str
    who: Mapping[str, str]
    question: str
    stance: str
    sentiment: float
    phrases: frozenset[str]
    text: str


@dataclass(slots=True)
class Topic:
    """A theme in the making; `lean` is positive, negative or mixed."""

    name: str
    description: str
    lean: str
    sources: list[str]
    evidence: list[str] = field(default_factory=list)

    def draft(self) -> Drawn:
        """The theme as the schema has it."""
        return {
            "name": self.name,
            "description": self.description,
            "sources": self.sources,
            "evidence": self.evidence,
        }


def read(variables: Mapping[str, Any], rng: random.Random) -> tuple[list[Said], Drawn, list[Topic]]:
    """The answers in the variables, what is found in them, and its themes before they became drafts."""
    words = words_of(variables)
    said = [
        Said(
            label=answer["label"],
            person=person["label"],
            who=person["who"],
            question=answer["question"],
            stance=answer["stance"],
            sentiment=answer["sentiment"],
            phrases=frozenset(answer["phrases"]),
            text=answer["text"],
        )
        for person in variables["people"]
        for answer in person["answers"]
    ]
    topics = _topics(variables["phrases"], said, words, rng)
    reading = {
        "themes": [topic.draft() for topic in topics],
        "surprising": [*_segments(said, words, rng), *_turns(said, words, rng)],
        "disagreements": _disagreements(said, variables["questions"], words, rng),
    }
    return said, reading, topics


def _topics(rows: Sequence[Mapping[str, Any]], said: Sequence[Said], words: Drawn, rng: random.Random) -> list[Topic]:
    """The most frequent phrases as themes, each with the phrases that share a stem with it."""
    gathered: list[tuple[set[str], list[Mapping[str, Any]]]] = []
    for row in rows:
        stems = stems_of(row["phrase"])
        home = next((rows_ for known, rows_ in gathered if known & stems), None)
        if home is None:
            gathered.append((stems, [row]))
        else:
            home.append(row)
    topics = []
    told = {lean: dealt(templates, rng) for lean, templates in words["theme"].items()}
    related = dealt(words["related"], rng)
    for stems, alike in gathered[: rng.randint(4, 7)]:
        labels = {row["label"] for row in alike}
        holders = [answer for answer in said if answer.phrases & labels]
        if not holders:
            continue
        lean = lean_of(fmean(answer.sentiment for answer in holders))
        name = str(alike[0]["phrase"])
        description = next(told[lean]).format(theme=quoted(name, words))
        if len(alike) > 1:
            phrases = ", ".join(quoted(row["phrase"], words) for row in alike[1:4])
            description += next(related).format(phrases=phrases)
        saying = [answer for answer in holders if any(stem in answer.text.casefold() for stem in stems)]
        topics.append(
            Topic(
                name=name[0].upper() + name[1:],
                description=description[0].upper() + description[1:],
                lean=lean,
                sources=[row["label"] for row in alike],
                evidence=[cite(answer, rng, stems) for answer in _different_people(saying or holders, 3, rng)],
            )
        )
    return topics


def _segments(said: Sequence[Said], words: Drawn, rng: random.Random) -> list[Drawn]:
    """The segment whose sentiment is furthest from that of all, where two people or more make it up."""
    overall = fmean(answer.sentiment for answer in said)
    groups: defaultdict[tuple[str, str], list[Said]] = defaultdict(list)
    for answer in said:
        for segment in answer.who.items():
            groups[segment].append(answer)
    everybody = len({answer.person for answer in said})
    candidates = [
        (abs(fmean(answer.sentiment for answer in theirs) - overall), segment, theirs)
        for segment, theirs in sorted(groups.items())
        if 2 <= len({answer.person for answer in theirs}) < everybody
    ]
    if not candidates:
        return []
    difference, (dimension, label), theirs = max(candidates, key=lambda candidate: candidate[0])
    if difference < LEANING / 2:
        return []
    up = fmean(answer.sentiment for answer in theirs) > overall
    lean = words["more"]["positive" if up else "negative"]
    telling = sorted(theirs, key=lambda answer: answer.sentiment, reverse=up)
    chosen = rng.choice(words["segment"])
    statement = chosen["statement"].format(label=quoted(label, words), dimension=dimension, lean=lean)
    return [
        {
            "statement": statement[0].upper() + statement[1:],
            "expectation": chosen["expectation"],
            "evidence": [cite(answer, rng) for answer in _different_people(telling[:4], 2, rng)],
        }
    ]


def _turns(said: Sequence[Said], words: Drawn, rng: random.Random) -> list[Drawn]:
    """A person who supports on one question and opposes on another."""
    by_person: defaultdict[str, list[Said]] = defaultdict(list)
    for answer in said:
        by_person[answer.person].append(answer)
    turned = [
        (next(a for a in theirs if a.stance == "support"), next(a for a in theirs if a.stance == "oppose"))
        for theirs in by_person.values()
        if {"support", "oppose"} <= {answer.stance for answer in theirs}
    ]
    if not turned:
        return []
    return [dict(rng.choice(words["turn"])) | {"evidence": [cite(answer, rng) for answer in rng.choice(turned)]}]


def _disagreements(
    said: Sequence[Said], questions: Sequence[Mapping[str, str]], words: Drawn, rng: random.Random
) -> list[Drawn]:
    """The questions on which most people stand on either side."""
    found = []
    for question in questions:
        sides = {
            stance: [a for a in said if a.question == question["label"] and a.stance == stance]
            for stance in ("support", "oppose")
        }
        fewer = min(map(len, sides.values()))
        if fewer:
            found.append((fewer, question, sides))
    found.sort(key=lambda entry: -entry[0])
    about = dealt(words["disagreement"], rng)
    positions = {stance: dealt(words[stance], rng) for stance in ("support", "oppose")}
    return [
        {
            "about": next(about).format(question=quoted(_short(question["text"]), words)),
            "one_side": next(positions["support"]),
            "one_side_evidence": [cite(answer, rng) for answer in _different_people(sides["support"], 2, rng)],
            "other_side": next(positions["oppose"]),
            "other_side_evidence": [cite(answer, rng) for answer in _different_people(sides["oppose"], 2, rng)],
        }
        for _, question, sides in found[:3]
    ]


def dealt(options: Sequence[Any], rng: random.Random) -> Iterator[Any]:
    """The options in random order, each as often as the others."""
    return cycle(rng.sample(options, k=len(options)))


def cite(answer: Said, rng: random.Random, stems: Iterable[str] = ()) -> str:
    """A citation of an answer, with a sentence of it that has one of the stems where there is one."""
    return f"{answer.label}: {extract(answer.text, rng, stems)}"


def extract(text: str, rng: random.Random, stems: Iterable[str] = ()) -> str:
    """A sentence of the text, one with a stem in it where there is one; the text itself where it is short."""
    sentences = [sentence for sentence in SENTENCE_END.split(text) if len(sentence) in QUOTE_LENGTH]
    telling = [sentence for sentence in sentences if any(stem in sentence.casefold() for stem in stems)]
    if telling or sentences:
        return rng.choice(telling or sentences)
    if len(text) < QUOTE_LENGTH.stop:
        return text
    start = text[: QUOTE_LENGTH.stop].rsplit(maxsplit=1)[0]
    return start if len(start) in QUOTE_LENGTH else text


def _different_people(answers: Sequence[Said], count: int, rng: random.Random) -> list[Said]:
    """Up to so many answers, at most one of each person."""
    by_person = {answer.person: answer for answer in rng.sample(answers, k=len(answers))}
    return list(by_person.values())[:count]


def stems_of(phrase: str) -> set[str]:
    """What words are compared by: the first five letters of those that carry meaning."""
    return {word[:5] for word in re.findall(r"\w+", phrase.casefold()) if len(word) > 3} or {phrase.casefold()}


def lean_of(sentiment: float) -> str:
    """What a mean sentiment amounts to: positive, negative or mixed."""
    if sentiment > LEANING:
        return "positive"
    return "negative" if sentiment < -LEANING else "mixed"


def quoted(text: str, words: Drawn) -> str:
    """The text between the quotation marks of the language."""
    opening, closing = words["quotes"]
    return f"{opening}{text}{closing}"


def _short(text: str, length: int = 90) -> str:
    return text if len(text) <= length else text[:length].rsplit(maxsplit=1)[0] + "…"


def words_of(variables: Mapping[str, Any]) -> Drawn:
    """The phrases of the language, or of English where there are none."""
    return _load().get(str(variables["language"]).partition("-")[0], _load()["en"])


@cache
def _load() -> dict[str, Drawn]:
    loaded: dict[str, Drawn] = json.loads(DATA.read_text(encoding="utf-8"))
    return loaded
