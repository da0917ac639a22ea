"""Fills in what simulated texts are made of: sentences with places to fill and forms to choose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

DATA = Path(__file__).parent / "data"

_CHOICE = re.compile(r"\[([^\[\]|]*)(\|([^\[\]]*))?\]")
_SLOT = re.compile(r"\{([A-Za-z_]+)\}")

PRONOUNS: Mapping[str, Mapping[str, str]] = {
    "female": {"they": "she", "them": "her", "their": "her"},
    "male": {"they": "he", "them": "him", "their": "his"},
    "other": {"they": "they", "them": "them", "their": "their"},
}


def spoken(language: str) -> str:
    """The language a simulated text is written in: Polish where asked for, English otherwise."""
    return "pl" if language.partition("-")[0].lower() == "pl" else "en"


def fill(template: str, slots: Mapping[str, object], *, gender: str, language: str) -> str:
    """A template with its slots filled and its forms chosen for a gender (`female`, `male`, `other`).

    `[x|y]` is x or y: in Polish for a man or a woman, in English for he or she or for they; `[x]` alone is
    left out for they. A slot that begins with a capital is filled with one.
    """

    def choose(match: re.Match[str]) -> str:
        second = match[3] if match[2] else "" if language == "en" else match[1]
        first_wanted = gender != "other" if language == "en" else gender == "male"
        return match[1] if first_wanted else second

    def put(match: re.Match[str]) -> str:
        name = match[1]
        if name in slots:
            return str(slots[name])
        value = str(slots[name[0].lower() + name[1:]])
        return capital(value) if name[0].isupper() else value

    return _SLOT.sub(put, _CHOICE.sub(choose, template))


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def uncapital(text: str) -> str:
    """The text with a small first letter, unless it begins with an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def weighted(randomness: Random, entries: Sequence[Any], weights: Sequence[float], count: int) -> list[Any]:
    """Up to `count` different entries, heavier ones more likely (Efraimidis & Spirakis 2006, "Weighted random
    sampling with a reservoir")."""
    keys = [(randomness.random() ** (1 / weight), place) for place, weight in enumerate(weights) if weight > 0]
    return [entries[place] for _, place in sorted(keys, reverse=True)[:count]]


@cache
def load(name: str) -> Any:
    """A data file of the simulated model."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
