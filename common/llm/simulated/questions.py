"""Reads a question as the simulated respondents do: what kind it is, what it is about, which themes it touches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
LANGUAGES = ("en", "pl")
TOPIC_WORDS = 7

_SENTENCE_END = re.compile(r"(?<=[.?!])\s")
_DIGIT = re.compile(r"\d")
_NAME = re.compile(r"(?<=[^\W\d_] )([A-Z]\w{2,}(?: [A-Z]\w+)*)")
"""A name that does not begin a sentence."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a question is about, in its own words. `case` says which phrases it fits into: languages inflect."""

    case: str
    words: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it was understood; `themes` are keys of the vocabulary, those that come first first."""

    kind: str
    topic: Topic
    themes: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The words of one language, from `data/answers.<language>.json`."""

    words: Mapping[str, Any]

    def themes_in(self, text: str) -> tuple[str, ...]:
        """The themes whose words come up in a text, in order, each once."""
        return tuple(dict.fromkeys(str(match.lastgroup) for match in self._themes.finditer(text.lower())))

    def read(self, question: str) -> Question:
        """A question's kind, topic and themes. Of several sentences the first decides, where it can."""
        text = " ".join(question.split())
        first = _SENTENCE_END.split(text, maxsplit=1)[0]
        kind = self._kind(first)
        return Question(kind if kind != "opinion" else self._kind(text), self._topic(text), self.themes_in(text))

    def _kind(self, text: str) -> str:
        return next(kind for kind, pattern in self._kinds if pattern.search(text))

    def _topic(self, text: str) -> Topic:
        for case, pattern in self._topics:
            for match in pattern.finditer(text):
                words = self._trim(match["topic"])
                if words:
                    return Topic(case, words)
        named = _NAME.search(text)
        return Topic("name", named[1]) if named else Topic("none", "")

    def _trim(self, phrase: str) -> str:
        """The phrase up to where it ends, turned from `your` to `my`; empty where it can hardly be a topic."""
        words = self._ends.split(phrase, maxsplit=1)[0].split()
        while words and words[-1].lower() in self._stop_words:
            words.pop()
        swapped = [self.words["swaps"].get(word.lower(), word) for word in words]
        meant = [word for word in words if word.lower() not in self._stop_words]
        if not meant or len(words) > TOPIC_WORDS or swapped[0].lower() in self._no_topics or _DIGIT.search(phrase[:1]):
            return ""
        return " ".join(swapped)

    @cached_property
    def _kinds(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in self.words["kinds"]]

    @cached_property
    def _topics(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(case, re.compile(rf"\b{pattern}", re.IGNORECASE)) for case, pattern in self.words["topics"]]

    @cached_property
    def _ends(self) -> re.Pattern[str]:
        return re.compile(self.words["topic_ends"], re.IGNORECASE)

    @cached_property
    def _stop_words(self) -> frozenset[str]:
        return frozenset(self.words["stop_words"])

    @cached_property
    def _no_topics(self) -> frozenset[str]:
        return frozenset(self.words["no_topics"])

    @cached_property
    def _themes(self) -> re.Pattern[str]:
        groups = (f"(?P<{theme}>{'|'.join(map(_stem, body['stems']))})" for theme, body in self.words["themes"].items())
        return re.compile(rf"\b(?:{'|'.join(groups)})")


def _stem(stem: str) -> str:
    """A stem begins a word; one that ends in `$` is the whole word."""
    return re.escape(stem[:-1]) + r"\b" if stem.endswith("$") else re.escape(stem)


def vocabulary(language: str) -> Vocabulary:
    """The vocabulary of a BCP 47 tag's language, English where there is none."""
    primary = language.split("-")[0].lower()
    return _load(primary if primary in LANGUAGES else "en")


@cache
def _load(language: str) -> Vocabulary:
    return Vocabulary(json.loads((DATA / f"answers.{language}.json").read_text(encoding="utf-8")))
