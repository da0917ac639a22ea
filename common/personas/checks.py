"""Finds where a persona contradicts its seat, or is none: only what its own words positively say, so that a
good persona is never turned away for what it leaves unsaid."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from common.personas import language as languages
from common.personas.labels import Reading, read_settlement, words_for
from common.personas.models import Profile
from common.personas.names import Names, gender_of_name

Kind = Literal["seat", "text", "language"]

FORMS_THAT_TELL = 5
"""So many forms of the other gender, and none of its own, tell that a text speaks of someone else."""
WINDOW = 48
"""Within so many characters after "lives in" stands where."""
LONG_SENTENCE = 25
STEM_CUT = 2
"""Letters at the end of a place's name that its cases may change."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, said so that whoever wrote the persona can put it right. `seat` contradicts the seat,
    `text` is unusable as a text, and `language` is in another language than asked for."""

    kind: Kind
    field: str
    message: str


def find_problems(
    profile: Profile, reading: Reading, language: str, *, names: Names | None, places: Sequence[str]
) -> list[Finding]:
    """Everything wrong with a persona. `names` are those people of its country have, `places` all labels of the
    audience's dimension that says where people live."""
    return [
        *_age(profile, reading, language),
        *_gender(profile, reading, language, names),
        *_place(profile, reading, language, places),
        *_education(profile, reading, language),
        *_employment(profile, reading),
        *_placeholders(profile),
        *_repetition(profile),
        *_language(profile, language),
    ]


def _age(profile: Profile, reading: Reading, language: str) -> Iterator[Finding]:
    if reading.age is None:
        return
    group = reading.labels["age"]
    if profile.age_years not in reading.age:
        yield Finding("seat", "age_years", f'is {profile.age_years}, but the seat\'s age group is "{group}"')
    pattern = languages.patterns("stated_age", language)
    stated = pattern.search(profile.headline.casefold()) if pattern else None
    if stated:
        age = int(next(filter(None, stated.groups())))
        if age not in reading.age:
            yield Finding("seat", "headline", f'says {age} years, but the seat\'s age group is "{group}"')


def _gender(profile: Profile, reading: Reading, language: str, names: Names | None) -> Iterator[Finding]:
    if reading.gender not in ("female", "male"):
        return
    label = reading.labels["gender"]
    named = gender_of_name(profile.name, names)
    if named is not None and named != reading.gender:
        yield Finding("seat", "name", f'"{profile.name}" is a {named} name, but the seat\'s gender is "{label}"')
    forms = languages.gender_forms(profile.story, language)
    if forms is None:
        return
    own, other = (forms.female, forms.male) if reading.gender == "female" else (forms.male, forms.female)
    if own == 0 and other >= FORMS_THAT_TELL:
        opposite = "male" if reading.gender == "female" else "female"
        yield Finding("seat", "story", f'speaks of the person in {opposite} forms, but the seat\'s gender is "{label}"')


def _place(profile: Profile, reading: Reading, language: str, places: Sequence[str]) -> Iterator[Finding]:
    pattern = languages.patterns("living_in", language)
    if pattern is None or reading.place is None:
        return
    for field in ("headline", "story"):
        text = getattr(profile, field).casefold()
        for cue in pattern.finditer(text):
            window = re.split(r"[.;!?\n]", text[cue.end() : cue.end() + WINDOW])[0]
            elsewhere = _elsewhere(window, reading, places)
            if elsewhere:
                yield Finding("seat", field, f'says the person lives in {elsewhere}, but the seat is "{reading.place}"')
                break


def _elsewhere(window: str, reading: Reading, places: Sequence[str]) -> str | None:
    """Another place than the seat's that a text names right after "lives in"."""
    opposite = {"village": "city", "city": "village"}.get(reading.settlement or "")
    if opposite and words_for("settlement", opposite).search(window):
        own = words_for("settlement", reading.settlement or "")
        if not own.search(window):
            return f"a {opposite}"
    if reading.place is None or _named(reading.place, window):
        return None
    for place in places:
        if place != reading.place and read_settlement(place) is None and _named(place, window):
            return place
    return None


def _named(place: str, text: str) -> bool:
    words = languages.WORD.findall(place.casefold())
    stems = [word[: max(4, len(word) - STEM_CUT)] for word in words if len(word) >= 4]
    return bool(stems) and all(re.search(rf"(?<!\w){re.escape(stem)}", text) for stem in stems)


def _education(profile: Profile, reading: Reading, language: str) -> Iterator[Finding]:
    if reading.education not in ("basic", "vocational", "secondary"):
        return
    occupation = profile.occupation.casefold()
    for profession in languages.phrases("degree_professions", language):
        if re.fullmatch(rf"(?:\w+ )?{profession}", occupation):
            label = reading.labels["education"]
            yield Finding("seat", "occupation", f'"{profile.occupation}" takes a degree, but the seat has "{label}"')
            return


def _employment(profile: Profile, reading: Reading) -> Iterator[Finding]:
    if reading.employment is None:
        return
    label = reading.labels["employment"]
    occupation = profile.occupation.casefold()
    retired = words_for("employment", "retired").search(occupation) is not None
    student = words_for("employment", "student").search(occupation) is not None
    if (retired and reading.employment != "retired") or (student and reading.employment == "retired"):
        yield Finding("seat", "occupation", f'is "{profile.occupation}", but the seat is "{label}"')


def _placeholders(profile: Profile) -> Iterator[Finding]:
    for field, value in texts(profile):
        found = languages.placeholders().search(value)
        if found:
            yield Finding("text", field, f'holds the placeholder "{found.group()}"')


def _repetition(profile: Profile) -> Iterator[Finding]:
    for field, value in texts(profile):
        if not any(character.isalnum() for character in value):
            yield Finding("text", field, "says nothing")
    sentences = [sentence.strip().casefold() for sentence in re.split(r"[.!?]+\s", profile.story)]
    repeated = [sentence for sentence, count in Counter(sentences).items() if count > 1]
    if any(len(sentence) >= LONG_SENTENCE for sentence in repeated):
        yield Finding("text", "story", "repeats a whole sentence")
    for field in ("values", "interests", "concerns", "needs", "pains"):
        entries = [entry.strip().casefold() for entry in getattr(profile, field)]
        if len(set(entries)) < len(entries):
            yield Finding("text", field, "holds the same entry twice")


def _language(profile: Profile, language: str) -> Iterator[Finding]:
    written = " ".join(value for field, value in texts(profile) if field not in ("name", "occupation"))
    foreign = languages.foreign_language(written, language)
    if foreign:
        yield Finding("language", "story", f'is written in "{foreign}", but the language asked for is "{language}"')


def texts(profile: Profile) -> Iterator[tuple[str, str]]:
    """Every text of a profile with its field: `story`, `needs[1]`."""
    for field in type(profile).model_fields:
        if field not in Profile.model_fields:
            continue
        value = getattr(profile, field)
        if isinstance(value, str):
            yield field, value
        elif isinstance(value, list):
            yield from ((f"{field}[{number}]", entry) for number, entry in enumerate(value))
