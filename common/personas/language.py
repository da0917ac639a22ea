"""What a text gives away without a model reading it: its language, and whether it speaks of a woman or a man."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from common.personas.labels import DATA

WORD = re.compile(r"[^\W\d_]+")
ENOUGH_WORDS = 30
"""Fewer words do not tell a language."""
OWN_SHARE = 0.08
"""A text with a smaller share of a language's function words is hardly in it; running prose has 0.2 to 0.4."""
FOREIGN_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class GenderForms:
    """How many forms in a text speak of a woman, and how many of a man."""

    female: int
    male: int


def function_share(text: str, language: str) -> float | None:
    """The share of a text's words that are function words of the language; None where we have none of it."""
    known = _function_words().get(base(language))
    if known is None:
        return None
    words = WORD.findall(text.casefold())
    return sum(word in known for word in words) / len(words) if words else 0.0


def foreign_language(text: str, language: str) -> str | None:
    """The language a text is in, if that is plainly another one than `language`."""
    own = function_share(text, language)
    if own is None or own >= OWN_SHARE or len(WORD.findall(text)) < ENOUGH_WORDS:
        return None
    shares = {other: function_share(text, other) or 0.0 for other in _function_words() if other != base(language)}
    nearest = max(shares, key=lambda other: shares[other])
    return nearest if shares[nearest] >= FOREIGN_SHARE and shares[nearest] >= 2 * own else None


def gender_forms(text: str, language: str) -> GenderForms | None:
    """The gendered forms of a text: pronouns, or verb endings; None for a language whose forms we do not know."""
    forms = _data()["gender_forms"].get(base(language))
    if forms is None:
        return None
    plain = text.casefold()
    ignored = set(forms["ignored"])
    counts = {
        gender: sum(match not in ignored for match in _whole_words(forms[gender]).findall(plain))
        for gender in ("female", "male")
    }
    return GenderForms(**counts)


def patterns(kind: str, language: str) -> re.Pattern[str] | None:
    """The pattern of a kind (`living_in`, `stated_age`) in a language, to be searched in case-folded text."""
    found = _data()[kind].get(base(language))
    return None if found is None else _compiled(found)


def phrases(kind: str, language: str) -> list[str]:
    """The phrases of a kind (`generic`, `degree_professions`) in a language, case-folded."""
    found: list[str] = _data()[kind].get(base(language), [])
    return found


@cache
def placeholders() -> re.Pattern[str]:
    """What stands where a writer meant to put something else."""
    return re.compile("|".join(_data()["placeholders"]), re.IGNORECASE)


def base(language: str) -> str:
    """The language of a tag without its region or script: `pl` of `pl-PL`."""
    return language.partition("-")[0].lower()


@cache
def _whole_words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){pattern}(?!\w)")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _function_words() -> dict[str, frozenset[str]]:
    return {language: frozenset(words) for language, words in _data()["function_words"].items()}


@cache
def _data() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / "languages.json").read_text(encoding="utf-8"))
    return loaded
