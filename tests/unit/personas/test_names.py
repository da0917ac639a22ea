import pytest

from common.personas.names import country_code, gender_of_name, name_hint, naming


def test_a_panel_of_hundreds_repeats_no_initials() -> None:
    """Initials come again only when every pair has been used."""
    names = naming("pl", None)
    dealt = [name_hint(7, position, names, "female") for position in range(400)]
    assert len(set(dealt)) == 400


def test_hints_replay_and_differ_by_seed() -> None:
    """The same seed gives a seat the same initials, another seed other ones."""
    names = naming("en", None)
    assert name_hint(1, 5, names, "male") == name_hint(1, 5, names, "male")
    panels = [[name_hint(seed, position, names, "male") for position in range(20)] for seed in (1, 2)]
    assert panels[0] != panels[1]


def test_initials_are_those_names_have() -> None:
    """Nobody is asked for a Polish name beginning with X."""
    names = naming("pl", None)
    assert names is not None
    assert all(
        any(name.startswith(name_hint(1, position, names, "male").given) for name in names.of_gender("male"))
        for position in range(60)
    )


def test_languages_without_names_get_letters() -> None:
    """A language we have no names of still gets initials."""
    hint = name_hint(1, 0, naming("de", None), "female")
    assert hint.given.isalpha()
    assert hint.family.isalpha()


@pytest.mark.parametrize(
    ("name", "language", "gender"),
    [
        ("Anna Nowak", "pl", "female"), ("Jakub Mróz", "pl-PL", "male"), ("Emily Clark", "en", "female"),
        ("Taylor Reed", "en", None), ("Żyraf Nowak", "pl", None), ("Anna Schmidt", "de", None), ("", "pl", None),
    ],
)  # fmt: skip
def test_tells_gender_of_unambiguous_names(name: str, language: str, gender: str | None) -> None:
    """Only a given name that one gender bears tells it, and only in a language whose names we know."""
    assert gender_of_name(name, naming(language, None)) == gender


def test_the_country_decides_before_the_language() -> None:
    """A Polish panel written in English has Polish names, and a German one none that we know."""
    assert naming("en", "Poland") == naming("pl", None)
    assert naming("en", "Germany") is None


@pytest.mark.parametrize(
    ("country", "code"), [("Polska", "pl"), (" united  STATES ", "us"), ("Narnia", None), (None, None)]
)
def test_reads_countries(country: str | None, code: str | None) -> None:
    """Countries are read as people write them."""
    assert country_code(country) == code
