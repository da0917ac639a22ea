import pytest

from common.personas.labels import AgeRange, aspect_of, read_age, read_seat, read_settlement


@pytest.mark.parametrize(
    ("label", "low", "high"),
    [
        ("25-34", 25, 34), ("25–34 lat", 25, 34), ("od 18 do 24", 18, 24), ("18 to 24", 18, 24), ("40", 40, 40),
        ("65+", 65, 110), ("65 and over", 65, 110), ("65 lat i więcej", 65, 110), ("≥ 75", 75, 110),
        ("powyżej 65", 66, 110), ("over 65", 66, 110), ("under 25", 0, 24), ("<30", 0, 29), ("do 24 lat", 0, 24),
    ],
)  # fmt: skip
def test_reads_age_groups(label: str, low: int, high: int) -> None:
    """An age group is read however it is written, with both ends included."""
    assert read_age(label) == AgeRange(low, high)


@pytest.mark.parametrize("label", ["Gen Z", "1997-2012", "seniors", "", "34-25", "25-34 (1990-1999)"])
def test_leaves_other_age_labels_unread(label: str) -> None:
    """What is not plainly an age group in years stays unknown."""
    assert read_age(label) is None


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("wieś", "village"), ("Rural area", "village"), ("Suburban", "suburb"), ("Town", "town"), ("Urban", "city"),
        ("Miasto do 19 tys.", "town"), ("Miasto 100–499 tys.", "city"), ("City (500k+)", "city"),
        ("miasto powyżej 500 000 mieszkańców", "city"), ("Warszawa", None), ("Mazowieckie", None),
    ],
)  # fmt: skip
def test_reads_kinds_of_places(label: str, kind: str | None) -> None:
    """Villages, towns and cities are told by word and by size, and names of places are not guessed at."""
    assert read_settlement(label) == kind


@pytest.mark.parametrize(
    ("label", "level"),
    [
        ("podstawowe", "basic"), ("Primary or lower secondary", "basic"), ("Less than high school", "basic"),
        ("zasadnicze zawodowe", "vocational"), ("branżowe", "vocational"), ("średnie", "secondary"),
        ("średnie zawodowe", "secondary"), ("High school graduate", "secondary"), ("Some college", "secondary"),
        ("wyższe", "tertiary"), ("Bachelor's degree or higher", "tertiary"), ("Higher", "tertiary"), ("inne", None),
        ("no bachelor's degree", "secondary"), ("Hauptschulabschluss", "basic"), ("ohne Schulabschluss", "basic"),
    ],
)  # fmt: skip
def test_reads_education(label: str, level: str | None) -> None:
    """The longest word that means a level decides, so that lower secondary is not secondary."""
    assert read_seat({"wykształcenie": label}).education == level


def test_reads_a_seat_in_any_language() -> None:
    """Dimensions are recognised by their names, and labels by their words."""
    reading = read_seat({"Wiek": "65+", "Płeć": "Kobieta", "województwo": "lubelskie", "aktywność": "emeryt"})
    assert (reading.age, reading.gender, reading.employment) == (AgeRange(65, 110), "female", "retired")
    assert reading.place == "lubelskie"


def test_prefers_the_kind_of_place_to_the_region() -> None:
    """A segment is shared by more people when it goes by the kind of place."""
    reading = read_seat({"region": "South", "settlement": "rural"})
    assert reading.place == "rural"


@pytest.mark.parametrize("dimension", ["language", "marital status", "brand", "page"])
def test_does_not_mistake_other_dimensions(dimension: str) -> None:
    """A dimension is about an aspect only when a whole word of its name says so."""
    assert aspect_of(dimension) is None


def test_unknown_labels_stay_unknown() -> None:
    """A seat in words we do not know has nothing to be read from it."""
    reading = read_seat({"gender": "X", "education": "???", "age": "old"})
    assert (reading.age, reading.gender, reading.education, reading.settlement) == (None, None, None, None)
