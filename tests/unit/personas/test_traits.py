from random import Random
from statistics import fmean, pstdev

import pytest

from common.personas.labels import AgeRange, read_seat
from common.personas.traits import TRAITS, draw_traits, expected


@pytest.mark.parametrize("trait", TRAITS)
def test_unknown_age_and_gender_shift_nothing(trait: str) -> None:
    """Without age and gender a trait has the mean and spread of the population."""
    mean, deviation = expected(trait, None, None)  # type: ignore[arg-type]
    assert mean == pytest.approx(50)
    assert deviation == pytest.approx(10)


@pytest.mark.parametrize(
    ("trait", "sign"), [("conscientiousness", 1), ("agreeableness", 1), ("neuroticism", -1), ("openness", -1)]
)
def test_follows_published_age_trends(trait: str, sign: int) -> None:
    """From young to old, conscientiousness and agreeableness rise, neuroticism and openness fall."""
    young, old = expected(trait, AgeRange(18, 20), None)[0], expected(trait, AgeRange(65, 80), None)[0]  # type: ignore[arg-type]
    assert sign * (old - young) > 3


@pytest.mark.parametrize("trait", ["neuroticism", "agreeableness", "extraversion", "conscientiousness"])
def test_follows_published_gender_differences(trait: str) -> None:
    """Women score higher in four of the five traits, by less than half a standard deviation."""
    difference = expected(trait, None, "female")[0] - expected(trait, None, "male")[0]  # type: ignore[arg-type]
    assert 0 < difference < 7


def test_norms_are_those_of_the_source() -> None:
    """A value worked out by hand from the published raw scores: women of 21 to 40, neuroticism 72.14."""
    means = [67.84, 66.97, 64.11, 58.42, 73.41, 72.14, 67.38, 63.48]
    deviations = [15.83, 16.48, 16.04, 15.48, 15.61, 16.16, 16.10, 14.92]
    center = fmean(means)
    spread = fmean(d**2 + (m - center) ** 2 for m, d in zip(means, deviations, strict=True)) ** 0.5
    assert expected("neuroticism", AgeRange(25, 34), "female")[0] == pytest.approx(50 + 10 * (72.14 - center) / spread)


def test_an_age_group_across_norms_mixes_them() -> None:
    """18 to 22 takes 18, 19 and 20 from the one group and 21 and 22 from the other."""
    younger, older = (expected("openness", AgeRange(age, age), "male")[0] for age in (18, 30))
    mixed = expected("openness", AgeRange(18, 22), "male")[0]
    assert mixed == pytest.approx(0.6 * younger + 0.4 * older)


def test_other_gender_is_not_given_one() -> None:
    """For a gender the norms do not have, both that they have are averaged."""
    female, male = (expected("neuroticism", None, gender)[0] for gender in ("female", "male"))
    assert expected("neuroticism", None, "other")[0] == pytest.approx((female + male) / 2)


def test_draws_vary_as_the_norms_say() -> None:
    """A thousand draws have the mean and spread of the norms, and stay within bounds."""
    reading = read_seat({"age": "41-60", "gender": "female"})
    drawn = [draw_traits(reading, Random(seed)).agreeableness for seed in range(1000)]
    mean, deviation = expected("agreeableness", AgeRange(41, 60), "female")
    assert fmean(drawn) == pytest.approx(mean, abs=1.0)
    assert pstdev(drawn) == pytest.approx(deviation, abs=0.7)
    assert all(20 <= value <= 80 for value in drawn)


def test_education_and_place_do_not_touch_traits() -> None:
    """Traits hang on nothing but age and gender."""
    one = read_seat({"age": "25-34", "education": "primary", "income": "low", "region": "A"})
    other = read_seat({"age": "25-34", "education": "higher", "income": "high", "region": "B"})
    assert draw_traits(one, Random(3)) == draw_traits(other, Random(3))
