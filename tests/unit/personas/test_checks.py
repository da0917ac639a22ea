from typing import Any

import pytest

from common.personas.checks import Finding, find_problems
from common.personas.labels import read_seat
from common.personas.names import naming
from tests.unit.personas.profiles import SEAT, STORY, draft

PLACES = ("small town", "village", "city")


def problems(
    changes: dict[str, Any] | None = None,
    *,
    seat: dict[str, str] | None = None,
    language: str = "en",
    places: tuple[str, ...] = PLACES,
) -> list[Finding]:
    """What is wrong with a persona of a seat."""
    return find_problems(
        draft(**(changes or {})),
        read_seat(SEAT | (seat or {})),
        language,
        names=naming("pl", None),
        places=places,
    )


def fields(found: list[Finding]) -> list[tuple[str, str]]:
    """The kinds and fields of findings."""
    return [(finding.kind, finding.field) for finding in found]


def test_a_good_persona_has_no_problems() -> None:
    """Nothing is found where nothing is wrong."""
    assert problems() == []


def test_age_must_lie_in_the_group() -> None:
    """An age beyond the seat's group contradicts it, and the finding says both."""
    [finding] = problems({"age_years": 51})
    assert (finding.kind, finding.field) == ("seat", "age_years")
    assert "51" in finding.message
    assert "35-44" in finding.message


def test_the_headline_must_not_state_another_age() -> None:
    """An age in the headline counts, one in the story may be somebody else's."""
    assert fields(problems({"headline": "A 63-year-old nurse in Puławy"})) == [("seat", "headline")]
    assert problems({"story": STORY + " Her 71-year-old mother helps with dinner."}) == []


def test_a_name_of_the_other_gender_contradicts() -> None:
    """A given name that only men bear contradicts a woman's seat."""
    assert fields(problems({"name": "Krzysztof Wójcik"})) == [("seat", "name")]


def test_a_story_of_someone_else_contradicts() -> None:
    """A story told in forms of the other gender only contradicts the seat, one that mentions a husband does not."""
    story = STORY.replace("She", "He").replace(" she ", " he ").replace("her ", "his ").replace("Her ", "His ")
    assert ("seat", "story") in fields(problems({"story": story}))
    assert problems({"story": STORY + " He works shifts, he cooks, he sings, he snores and he means well."}) == []


def test_polish_forms_tell_gender() -> None:
    """Polish past tenses are as telling as pronouns."""
    masculine = (
        "Wychował się na wsi, skończył technikum i pracował w hucie. Potem wyjechał do Niemiec, wrócił, kupił dom "
        "i zbudował warsztat, w którym naprawia dziś maszyny sąsiadów."
    )
    feminine = masculine.replace("ał ", "ała ").replace("ył ", "yła ").replace("ił,", "iła,").replace("ił ", "iła ")
    assert ("seat", "story") in fields(problems({"story": masculine}, language="pl"))
    assert ("seat", "story") not in fields(problems({"story": feminine}, language="pl"))


def test_unknown_gender_is_not_checked() -> None:
    """A seat whose gender label means nothing to us is never contradicted by it."""
    assert problems({"name": "Krzysztof Wójcik"}, seat={"gender": "X"}) == []


@pytest.mark.parametrize("where", ["lives in a big city", "lives with her family in the city of Łódź"])
def test_living_in_a_city_contradicts_a_village(where: str) -> None:
    """Where the story says the person lives must be the seat's kind of place."""
    story = f"Anna {where}. " + STORY.partition(". ")[2]
    assert fields(problems({"story": story}, seat={"place_of_residence": "village"})) == [("seat", "story")]


def test_working_in_a_city_does_not_contradict_a_village() -> None:
    """Only where someone lives counts."""
    story = "Anna lives in a village near Puławy. She works in the city. " + STORY.partition(". ")[2]
    assert problems({"story": story}, seat={"place_of_residence": "village"}) == []


def test_living_at_another_place_of_the_audience_contradicts() -> None:
    """Another label of the same dimension right after "lives in" contradicts the seat, in any case of its name."""
    places = ("Warszawa", "Kraków", "Lublin")
    seat = {"place_of_residence": "Warszawa"}
    story = "Anna mieszka w Krakowie z mężem. " + STORY
    found = problems({"story": story}, seat=seat, language="pl", places=places)
    assert ("seat", "story") in fields(found)
    story = "Anna mieszka w Warszawie, choć rodzina jest w Krakowie. " + STORY
    assert ("seat", "story") not in fields(problems({"story": story}, seat=seat, language="pl", places=places))


def test_professions_for_graduates_need_a_degree() -> None:
    """A physician has a degree, the receptionist of one need not."""
    seat = {"education": "vocational"}
    assert fields(problems({"occupation": "Retired physician"}, seat=seat)) == [("seat", "occupation")]
    assert problems({"occupation": "Doctor's receptionist"}, seat=seat) == []
    assert problems({"occupation": "Physician"}) == []


@pytest.mark.parametrize(
    ("employment", "occupation", "wrong"),
    [
        ("working", "Retired nurse", True), ("student", "Emerytowana pielęgniarka", True),
        ("retired", "Student of law", True), ("retired", "Retired nurse", False), ("retired", "Nurse", False),
        ("working", "Nurse", False), ("student", "Student of law", False),
    ],
)  # fmt: skip
def test_employment_must_not_be_contradicted(employment: str, occupation: str, wrong: bool) -> None:
    """An occupation that says another employment than the seat's contradicts it; one that says none does not."""
    found = problems({"occupation": occupation}, seat={"employment": employment})
    assert fields(found) == ([("seat", "occupation")] if wrong else [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Jane Doe"}, "name"), ({"headline": "[name], a nurse from Puławy"}, "headline"),
        ({"story": STORY + " Lorem ipsum dolor."}, "story"), ({"needs": ["TBD", "an hour to herself"]}, "needs[0]"),
        ({"occupation": "<occupation>"}, "occupation"),
    ],
)  # fmt: skip
def test_placeholders_are_found(change: dict[str, Any], field: str) -> None:
    """What stands where a writer meant to put something else makes a persona unusable."""
    assert fields(problems(change)) == [("text", field)]


def test_repetition_is_found() -> None:
    """Repeated sentences, repeated entries and texts of nothing make a persona unusable."""
    assert fields(problems({"story": f"{STORY} {STORY}"})) == [("text", "story")]
    assert fields(problems({"pains": ["queues", "Queues "]})) == [("text", "pains")]
    assert fields(problems({"concerns": ["...", "a roof"]})) == [("text", "concerns[0]")]


def test_another_language_is_found() -> None:
    """An English persona is not what was asked for in Polish or German."""
    assert fields(problems(language="pl")) == [("language", "story")]
    assert fields(problems(language="de")) == [("language", "story")]


def test_a_language_we_do_not_know_is_not_judged() -> None:
    """Without function words of a language nothing is said of it."""
    assert problems(language="fi") == []
