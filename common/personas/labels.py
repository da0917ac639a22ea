"""Reads what an audience's dimensions and labels mean, where that can be told. They are data in any language,
so the words are data too (`data/labels.json`), and what is not recognised stays unknown: None, never a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

Aspect = Literal["age", "gender", "education", "settlement", "location", "region", "employment", "income"]
Gender = Literal["female", "male", "other"]
Education = Literal["basic", "vocational", "secondary", "tertiary"]
Settlement = Literal["village", "suburb", "town", "city"]
Employment = Literal["student", "retired", "unemployed", "homemaker", "working"]

DATA = Path(__file__).parent / "data"
OLDEST = 110
"""The age an open-ended age group ends at, in years."""
CITY_PEOPLE = 100_000
"""From how many people on a settlement given by its size is a city."""

_DASH = re.compile(r"[\u2010-\u2015\u2212]")
_NUMBER = re.compile(r"\d+")
_RANGE = re.compile(r"(\d+)\D{0,12}?(?:-|to|do|bis|a|à|until)\s*(\d+)")


@dataclass(frozen=True, slots=True)
class AgeRange:
    """Whole years, both ends included."""

    low: int
    high: int

    def __contains__(self, age: int) -> bool:
        return self.low <= age <= self.high


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a seat. `labels` has the label of each aspect that a dimension is about."""

    labels: Mapping[Aspect, str]
    age: AgeRange | None
    gender: Gender | None
    education: Education | None
    settlement: Settlement | None
    employment: Employment | None

    @property
    def place(self) -> str | None:
        """The label that says where the person lives: the kind of place before the region, which has many
        labels and would leave each segment to a single persona."""
        for aspect in ("settlement", "location", "region"):
            if aspect in self.labels:
                return self.labels[aspect]
        return None


def read_seat(demographics: Mapping[str, str]) -> Reading:
    """Reads the labels of one seat, given as dimension -> label."""
    labels: dict[Aspect, str] = {}
    for dimension, label in demographics.items():
        aspect = aspect_of(dimension)
        if aspect is not None:
            labels.setdefault(aspect, label)
    places = [labels[aspect] for aspect in ("settlement", "location", "region") if aspect in labels]
    return Reading(
        labels=labels,
        age=read_age(labels["age"]) if "age" in labels else None,
        gender=cast("Gender | None", _meaning("gender", labels.get("gender"))),
        education=cast("Education | None", _meaning("education", labels.get("education"))),
        settlement=next(filter(None, map(read_settlement, places)), None),
        employment=cast("Employment | None", _meaning("employment", labels.get("employment"))),
    )


def aspect_of(dimension: str) -> Aspect | None:
    """What a dimension is about, told by the words of its name."""
    words = set(re.split(r"[\W_]+", dimension.casefold()))
    for aspect in get_args(Aspect):
        if words & _vocabulary()["dimensions"][aspect]:
            return cast("Aspect", aspect)
    return None


def read_age(label: str) -> AgeRange | None:
    """The ages an age group holds: `25-34`, `25–34 lat`, `od 18 do 24`, `65+`, `under 25`, `powyżej 65`, `40`."""
    text = _plain(label)
    numbers = [int(number) for number in _NUMBER.findall(text)]
    if not 1 <= len(numbers) <= 2 or any(number > OLDEST for number in numbers):
        return None
    if len(numbers) == 2:
        low, high = numbers
        return AgeRange(low, high) if low <= high and _RANGE.search(text) else None
    number, words = numbers[0], _vocabulary()["age"]
    if re.search(rf"{number}\s*\+", text) or "≥" in text or _has(text, words["from"]):
        return AgeRange(number, OLDEST)
    if ">" in text or _has(text, words["above"]):
        return AgeRange(number + 1, OLDEST)
    if "≤" in text or _has(text, words["to"]):
        return AgeRange(0, number)
    if "<" in text or _has(text, words["below"]):
        return AgeRange(0, number - 1) if number else None
    return AgeRange(number, number)


def read_settlement(label: str) -> Settlement | None:
    """The kind of place a label names, by its words and, for towns given by their size, its people."""
    kind = cast("Settlement | None", _meaning("settlement", label))
    if kind not in ("town", "city"):
        return kind
    people = [
        float(number) * (1000 if unit in ("k", "tys", "thousand", "tsd") else 1_000_000 if unit else 1)
        for number, unit in re.findall(
            r"(\d+)\s*(k\b|tys|thousand|tsd|m\b|mln|million)?", re.sub(r"(?<=\d)[ ,.](?=\d{3})", "", _plain(label))
        )
    ]
    if not people:
        return kind
    return "city" if max(people) > CITY_PEOPLE else "town"


def words_for(aspect: Literal["gender", "education", "settlement", "employment"], meaning: str) -> re.Pattern[str]:
    """Matches any word, in any known language, with this meaning."""
    return cast("re.Pattern[str]", _vocabulary()[aspect][meaning])


def _meaning(aspect: str, label: str | None) -> str | None:
    if label is None:
        return None
    text = _plain(label)
    found: list[tuple[int, int, str]] = []
    for rank, (meaning, pattern) in enumerate(_vocabulary()[aspect].items()):
        found += [(-len(match.group()), rank, meaning) for match in pattern.finditer(text)]
    return min(found)[2] if found else None


def _plain(label: str) -> str:
    return " ".join(_DASH.sub("-", label.casefold()).split())


def _has(text: str, terms: re.Pattern[str]) -> bool:
    return terms.search(text) is not None


@cache
def _vocabulary() -> dict[str, Any]:
    data = json.loads((DATA / "labels.json").read_text(encoding="utf-8"))
    return {
        "dimensions": {aspect: frozenset(words) for aspect, words in data["dimensions"].items()},
        **{
            group: {meaning: _pattern(terms) for meaning, terms in data[group].items()}
            for group in ("age", "gender", "education", "settlement", "employment")
        },
    }


def _pattern(terms: Iterable[str]) -> re.Pattern[str]:
    # Longer terms first: "lower secondary" must not be read as "secondary".
    ordered = sorted(terms, key=len, reverse=True)
    parts = [re.escape(term.rstrip("*")) + (r"\w*" if term.endswith("*") else "") for term in ordered]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)")
