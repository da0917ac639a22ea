"""Names: hints that keep a panel from being full of the same few, and what a given name says of its bearer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from common.personas.labels import DATA, Gender
from common.personas.seeds import randomness

LETTERS = "ABCDEFGHIJKLMNOPRSTUVWZ"
"""Initials where we have no names; any alphabet has something near."""


@dataclass(frozen=True, slots=True)
class NameHint:
    """The initials a person's name is to have."""

    given: str
    family: str


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one language. `given` maps gender to (year from which newborns got them, names), oldest first."""

    given: Mapping[str, tuple[tuple[int, tuple[str, ...]], ...]]
    family: tuple[str, ...]
    unisex: frozenset[str]

    def of_gender(self, gender: Gender | None) -> list[str]:
        """All given names of a gender, or of every gender where it is not female or male."""
        genders = [gender] if gender and gender in self.given else list(self.given)
        return [name for each in genders for _, names in self.given[each] for name in names]


def country_code(country: str | None) -> str | None:
    """The two letters (ISO 3166) of a country as people write it, if we know anything of its people."""
    return _countries().get(" ".join((country or "").casefold().split()))


def naming(language: str, country: str | None) -> Names | None:
    """The names people of a country have, or without a country those of the language; None if we have none."""
    if not country or country == "-":
        return _all_names().get(language.partition("-")[0].lower())
    code = country_code(country)
    return _all_names()[_naming_languages()[code]] if code else None


def name_hint(seed: int, position: int, names: Names | None, gender: Gender | None) -> NameHint:
    """The initials for the seat at `position`.

    The pairs of initials that the names have are shuffled by the job's seed and dealt out by position, so that
    each comes again only when all (some 500) have been used: a model that is left alone comes back to the same
    few names, however often it is told not to.
    """
    given = "".join(sorted({name[0] for name in names.of_gender(gender)})) if names else LETTERS
    family = "".join(sorted({name[0] for name in names.family})) if names else LETTERS
    pairs = _dealt(seed, given, family)
    return NameHint(*pairs[position % len(pairs)])


@lru_cache(maxsize=64)
def _dealt(seed: int, given: str, family: str) -> list[tuple[str, str]]:
    pairs = [(one, other) for one in given for other in family]
    randomness(seed, "names").shuffle(pairs)
    return pairs


def gender_of_name(full_name: str, names: Names | None) -> Gender | None:
    """The gender that only bearers of this given name have; None when it is unisex or not known."""
    words = full_name.split()
    if names is None or not words or words[0] in names.unisex:
        return None
    female = words[0] in names.of_gender("female")
    male = words[0] in names.of_gender("male")
    return None if female == male else "female" if female else "male"


@cache
def _countries() -> dict[str, str]:
    return {term: code for code, country in _load("countries").items() for term in country["terms"]}


@cache
def _naming_languages() -> dict[str, str]:
    return {code: country["names"] for code, country in _load("countries").items()}


@cache
def _all_names() -> dict[str, Names]:
    return {
        language: Names(
            given={
                gender: tuple((int(year), tuple(names)) for year, names in sorted(cohorts.items()))
                for gender, cohorts in content["given"].items()
            },
            family=tuple(content["family"]),
            unisex=frozenset(content["unisex"]),
        )
        for language, content in _load("names").items()
    }


def _load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    del data["about"]
    return data
