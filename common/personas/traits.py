"""Draws Big Five traits for a seat: from published norms where its age and gender are known, and independent
of everything else.

Norms: IPIP-NEO-120, Johnson 2014, "Measuring thirty facets of the Five Factor Model with a 120-item public
domain inventory: Development of the IPIP-NEO-120", Journal of Research in Personality 51, 78-89; the figures are
those of the author's public-domain scoring programme. They agree in direction with Soto, John, Gosling & Potter
2011, "Age differences in personality traits from 10 to 65" (JPSP 100, 330-348; N = 1,267,218): conscientiousness
and agreeableness rise through adult life, neuroticism falls; and with Schmitt, Realo, Voracek & Allik 2008,
"Why can't a man be more like a woman?" (JPSP 94, 168-182; 55 nations): women score higher in neuroticism,
agreeableness, extraversion and conscientiousness. Education, income and place are left out on purpose: for
them we have no norms, and a correlation from nowhere would be a stereotype.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Literal

from common.personas.labels import AgeRange, Gender, Reading
from common.personas.models import Traits

Trait = Literal["neuroticism", "extraversion", "openness", "agreeableness", "conscientiousness"]
TRAITS: tuple[Trait, ...] = ("neuroticism", "extraversion", "openness", "agreeableness", "conscientiousness")

AGE_GROUPS = (AgeRange(0, 20), AgeRange(21, 40), AgeRange(41, 60), AgeRange(61, 110))

MEANS: Mapping[Gender, tuple[tuple[float, float, float, float, float], ...]] = {
    "male": (
        (67.84, 80.70, 85.98, 81.98, 79.66),
        (66.97, 78.90, 86.51, 84.22, 85.50),
        (64.11, 77.06, 83.04, 88.33, 91.27),
        (58.42, 79.73, 79.78, 90.20, 95.31),
    ),
    "female": (
        (73.41, 84.26, 89.01, 89.14, 81.27),
        (72.14, 80.78, 88.25, 91.91, 87.57),
        (67.38, 78.62, 86.15, 95.73, 93.45),
        (63.48, 78.22, 81.56, 97.17, 96.44),
    ),
}
"""Mean raw scores (24 to 120) by gender and age group, in the order of `TRAITS`."""

DEVIATIONS: Mapping[Gender, tuple[tuple[float, float, float, float, float], ...]] = {
    "male": (
        (15.83, 15.37, 12.37, 14.66, 14.49),
        (16.48, 15.21, 12.65, 13.10, 14.27),
        (16.04, 14.31, 13.05, 11.76, 13.35),
        (15.48, 13.63, 12.21, 11.73, 11.99),
    ),
    "female": (
        (15.61, 14.98, 11.84, 13.21, 14.38),
        (16.16, 14.64, 12.15, 11.39, 13.87),
        (16.10, 14.19, 12.62, 9.84, 12.94),
        (14.92, 12.73, 12.66, 9.52, 12.43),
    ),
}
"""Standard deviations of the same."""

LOWEST, HIGHEST = 20.0, 80.0
"""Three standard deviations from the mean: beyond them a questionnaire no longer tells people apart."""


def draw_traits(reading: Reading, randomness: Random) -> Traits:
    """T-scores for one person: normally distributed around what the norms say of the person's age and gender."""
    scores = {}
    for trait in TRAITS:
        mean, deviation = expected(trait, reading.age, reading.gender)
        scores[trait] = round(min(HIGHEST, max(LOWEST, randomness.gauss(mean, deviation))), 1)
    return Traits(**scores)


def expected(trait: Trait, age: AgeRange | None, gender: Gender | None) -> tuple[float, float]:
    """Mean and standard deviation of a trait as T-scores, relative to adults of all groups taken equally.

    What is not known shifts nothing: an unknown age averages over ages, an unknown or other gender over both
    that the norms have.
    """
    number = TRAITS.index(trait)
    genders: tuple[Gender, ...] = (gender,) if gender and gender in MEANS else ("male", "female")
    ages = _shares(age)
    center, spread = _reference(number)
    cells = [(share / len(genders), g, group) for g in genders for group, share in enumerate(ages) if share]
    mean = sum(weight * MEANS[g][group][number] for weight, g, group in cells)
    variance = sum(
        weight * (DEVIATIONS[g][group][number] ** 2 + (MEANS[g][group][number] - mean) ** 2)
        for weight, g, group in cells
    )
    return 50 + 10 * (mean - center) / spread, 10 * variance**0.5 / spread


def _shares(age: AgeRange | None) -> list[float]:
    """How the ages of a range fall into the groups of the norms."""
    if age is None:
        return [1 / len(AGE_GROUPS)] * len(AGE_GROUPS)
    years = [max(0, min(age.high, group.high) - max(age.low, group.low) + 1) for group in AGE_GROUPS]
    return [count / sum(years) for count in years]


def _reference(number: int) -> tuple[float, float]:
    """Mean and standard deviation of the raw score where all groups count the same."""
    groups = [(MEANS[g][n][number], DEVIATIONS[g][n][number]) for g in MEANS for n in range(len(AGE_GROUPS))]
    mean = sum(m for m, _ in groups) / len(groups)
    return mean, (sum(d**2 + (m - mean) ** 2 for m, d in groups) / len(groups)) ** 0.5
