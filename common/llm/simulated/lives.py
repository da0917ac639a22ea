"""What simulated people do and are called, as far as their seat leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from common.personas.labels import Gender, Reading
from common.personas.names import Names

TOLD_IN = 2025
"""The year simulated lives are told in; fixed, so that they do not change with the calendar."""
SCHOOL_UNTIL, STUDY_UNTIL, WORK_UNTIL = 19, 26, 65
STUDY_CHANCE, UNEMPLOYED_CHANCE, HOME_CHANCE = 0.45, 0.04, 0.03

EDUCATIONS = ("basic", "vocational", "secondary", "tertiary")


@dataclass(frozen=True, slots=True)
class Work:
    """What someone does, or did (`occupation`), in which line of work, and `status` where they do not work."""

    occupation: str
    sector: str
    status: str | None


def choose_work(words: Mapping[str, Any], reading: Reading, age: int, gender: str, randomness: Random) -> Work:
    """Work that fits the seat's education and employment and the person's age."""
    label = reading.labels.get("employment")
    status = _status(reading, age, randomness)
    education: str = reading.education or randomness.choice(EDUCATIONS)
    occupation, sector = randomness.choice(words["occupations"][education])
    masculine, _, feminine = occupation.partition("|")
    occupation = feminine if feminine and gender != "male" else masculine
    if label and reading.employment is None:
        return Work(label, sector, None)  # the seat names the occupation itself
    return Work(occupation, "student" if status == "pupil" else status or sector, status)


def _status(reading: Reading, age: int, randomness: Random) -> str | None:
    luck = randomness.random()
    if reading.employment == "student":
        return "pupil" if age < SCHOOL_UNTIL else "student"
    if reading.employment is not None:
        return None if reading.employment == "working" else reading.employment
    if age < SCHOOL_UNTIL:
        return "pupil"
    if age > WORK_UNTIL:
        return "retired"
    if age < STUDY_UNTIL and reading.education not in ("basic", "vocational") and luck < STUDY_CHANCE:
        return "student"
    if luck > 1 - UNEMPLOYED_CHANCE:
        return "unemployed"
    return "homemaker" if luck > 1 - UNEMPLOYED_CHANCE - HOME_CHANCE else None


def name_of(
    names: Names, gender: str, age: int, given_initial: str, family_initial: str, randomness: Random
) -> tuple[str, str]:
    """A given and a family name for someone of this age, with the initials asked for where there are such names."""
    gendered = cast("Gender | None", gender if gender in names.given else None)
    cohorts = names.given[gendered or randomness.choice(("female", "male"))]
    usual = [name for year, cohort in cohorts if year <= TOLD_IN - age for name in cohort][-45:]
    given = _with_initial(usual, given_initial) or _with_initial(names.of_gender(gendered), given_initial) or usual
    family = randomness.choice(_with_initial(names.family, family_initial) or list(names.family))
    return randomness.choice(given), _feminine(family) if gender == "female" else family


def years_of(age: int, randomness: Random) -> dict[str, object]:
    """Years and numbers of a life of this length, in forms that need no other grammar."""
    born = TOLD_IN - age
    return {
        "year": randomness.randint(max(born + 14, 1988), TOLD_IN - 1),
        "recent": randomness.randint(TOLD_IN - 4, TOLD_IN - 1),
        "wedding": min(born + randomness.randint(21, 29), TOLD_IN - 1),
        "future": TOLD_IN + randomness.randint(9, 26),
        "sold": born + randomness.randint(7, 13),
        "moved": min(age - 2, randomness.randint(6, 19)),
        "years": randomness.choice((25, 26, 27, 28, 29, 30, 31, 35, 36, 37, 38, 39)),
        "years_here": randomness.choice([years for years in (5, 7, 8, 11, 15, 19, 25, 28) if years < age - 2] or [5]),
        "village_people": randomness.randint(180, 1900),
        "town_people": randomness.choice((9, 11, 12, 14, 15, 17, 19, 25, 26, 28, 35, 37, 38)),
    }


def _with_initial(names: list[str] | tuple[str, ...], initial: str) -> list[str]:
    return [name for name in names if initial and name.startswith(initial)]


def _feminine(family: str) -> str:
    """The form a woman bears of a Polish family name that is an adjective; other names have one form."""
    return f"{family[:-1]}a" if family.endswith(("ski", "cki", "dzki", "czny")) else family
