import time
from pathlib import Path
from typing import Any

import pytest

from common.cache.memory import MemoryCache
from common.llm.port import Calls
from common.llm.prompts import Prompts
from common.llm.simulated.embedding import embed_text
from common.llm.simulated.model import SimulatedModel
from common.llm.simulated.personas import play_brief, play_persona, play_repair
from common.personas.checks import find_problems, texts
from common.personas.duplicates import THRESHOLD, compare, persona_text
from common.personas.labels import read_seat
from common.personas.making import Made, Seat, make_persona
from common.personas.models import Draft, SegmentBrief
from common.personas.names import naming
from common.personas.seeds import randomness
from common.personas.traits import TRAITS

PROMPTS = Prompts(Path(__file__).parents[4] / "prompts")
AGES = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
PL = {"education": ("podstawowe", "zasadnicze zawodowe", "średnie", "wyższe"), "place": ("wieś", "miasto do 50 tys.")}
EN = {"education": ("less than high school", "some college", "bachelor's degree"), "place": ("rural", "urban")}


def seats(count: int, language: str, country: str | None = None) -> list[Seat]:
    """Seats of a mixed audience."""
    draw = randomness("seats", language)
    labels = PL if language == "pl" else EN
    return [
        Seat(
            position,
            {
                "age": draw.choice(AGES),
                "gender": draw.choice(("female", "male")),
                "education": draw.choice(labels["education"]),
                "place_of_residence": draw.choice(labels["place"]),
            },
            seed=5,
            language=language,
            country=country,
            places=labels["place"],
            simulated=True,
        )
        for position in range(count)
    ]


def make(seats: list[Seat]) -> list[Made]:
    """The personas the simulated model makes."""
    model, cache = SimulatedModel(PROMPTS), MemoryCache()
    deadline = time.monotonic() + 60
    return [make_persona(seat, llm=model, cache=cache, calls=Calls(), deadline=deadline) for seat in seats]


def variables(seat: dict[str, str], **changes: Any) -> dict[str, Any]:
    """What a persona is asked for with."""
    brief = play_brief(
        {"language": "en", "age": "25-34", "education": "higher", "location": "city"}, randomness("brief")
    )
    values: dict[str, Any] = {
        "language": "en",
        "country": "-",
        "brief": brief,
        "seat": seat,
        "ages": "as the seat says",
        "initials": {"given": "A", "family": "B"},
        "traits": dict.fromkeys(TRAITS, 50.0) | {"openness": 70.0, "conscientiousness": 30.0},
    }
    return values | changes


@pytest.mark.parametrize(("language", "country"), [("pl", None), ("en", None), ("en", "Poland"), ("en", "UK")])
def test_a_panel_fits_its_seats_and_is_varied(language: str, country: str | None) -> None:
    """Nobody contradicts the seat, names hardly repeat, and nobody is near to being somebody else."""
    made = make(seats(150, language, country))
    assert not [one.quality.repaired for one in made if one.quality.repaired]
    assert len({one.profile.name for one in made}) >= 145
    assert len({one.profile.story for one in made}) == 150
    nearest = compare([embed_text(persona_text(one.profile)) for one in made]).nearest
    assert nearest is not None
    assert nearest.max < THRESHOLD - 0.1
    assert min(one.quality.score for one in made) > 75
    assert all(ground.verified for one in made for ground in one.quality.grounds)


def test_the_same_seat_replays_the_same_person() -> None:
    """Nothing but the seat and the seed decides."""
    some = seats(5, "pl")
    assert [one.profile for one in make(some)] == [one.profile for one in make(some)]


def test_polish_surnames_and_verbs_agree_with_gender() -> None:
    """Women bear the feminine form of their family name and are told in feminine forms."""
    for one, seat in zip(make(seats(80, "pl")), seats(80, "pl"), strict=True):
        family = one.profile.name.split()[1]
        assert not family.endswith("ski" if seat.demographics["gender"] == "female" else "ska")


@pytest.mark.parametrize("language", ["en", "pl"])
def test_nothing_is_left_unfilled(language: str) -> None:
    """No text holds a brace, a bracket or a bar of the templates."""
    for one in make(seats(120, language)):
        for _, text in texts(one.profile):
            assert not set("{}[]|") & set(text)


@pytest.mark.parametrize(
    ("employment", "word"),
    [("retired", "Retired"), ("student", "Student"), ("unemployed", "Looking for work"), ("homemaker", "At home")],
)
def test_occupations_follow_the_seat(employment: str, word: str) -> None:
    """A seat's employment is what the person does."""
    told = play_persona(variables({"age": "25-34", "gender": "male", "employment": employment}), randomness(1))
    assert told["occupation"].startswith(word)


def test_a_seat_that_names_an_occupation_has_it() -> None:
    """A label that is no employment status is taken as the occupation."""
    told = play_persona(variables({"age": "25-34", "occupation": "Beekeeper"}), randomness(1))
    assert told["occupation"] == "Beekeeper"


@pytest.mark.parametrize(
    "seat",
    [
        {"tribe": "blue"},
        {"gender": "non-binary", "age": "25-34"},
        {"age": "14-17"},
        {"age": "under 20"},
        {"city": "Łomża"},
    ],
)
@pytest.mark.parametrize("language", ["en", "pl", "fr"])
def test_any_seat_can_be_played(seat: dict[str, str], language: str) -> None:
    """Seats whose labels say little, and languages it does not speak, still get a valid person."""
    told = Draft.model_validate(play_persona(variables(seat, language=language), randomness(2)))
    spoken = "pl" if language == "pl" else "en"
    reading = read_seat(seat)
    assert not find_problems(told, reading, spoken, names=naming(language, None), places=("Łomża",))


def test_they_are_spoken_of_as_they() -> None:
    """A person of another gender is told in English without he or she."""
    for seed in range(12):
        told = play_persona(variables({"gender": "non-binary", "age": "25-34"}), randomness(seed))
        words = told["story"].replace(".", " ").replace(",", " ").split()
        assert {"he", "she", "He", "She", "his", "her", "Her", "His"} & set(words) == set()


def test_traits_show_in_manners() -> None:
    """Someone very disorganised and curious decides and talks that way far more often than not."""
    styles = [play_persona(variables({"age": "25-34"}), randomness(seed))["decision_style"] for seed in range(30)]
    fitting = ("on the spot", "when the old one breaks", "unknown brand")
    assert sum(any(part in style for part in fitting) for style in styles) > 20


@pytest.mark.parametrize("language", ["en", "pl", "it"])
@pytest.mark.parametrize("age", ["18-24", "35-44", "65+", "-"])
def test_briefs_are_valid_for_any_segment(language: str, age: str) -> None:
    """A brief has all its parts, whatever of the segment is known."""
    for education in ("podstawowe", "higher", "-"):
        segment = {"language": language, "age": age, "education": education, "location": "rural"}
        SegmentBrief.model_validate(play_brief(segment, randomness(age, education)))


def test_a_repair_keeps_what_nobody_found_wrong() -> None:
    """Lists and manners stay, what was found is told anew, and the grounds still hold."""
    asked = variables({"age": "25-34", "gender": "female"})
    written = play_persona(asked, randomness(3))
    written |= {"age_years": 60, "pains": ["queues at the pharmacy", "queues at the pharmacy"]}
    findings = ["age_years is 60, but ...", "pains holds the same entry twice"]
    told = Draft.model_validate(play_repair({**asked, "persona": written, "findings": findings}, randomness(4)))
    assert 25 <= told.age_years <= 34
    assert told.needs == written["needs"]
    assert len(set(told.pains)) == len(told.pains)
    said = told.model_dump_json()
    assert all(ground.claim in said for ground in told.grounds)
