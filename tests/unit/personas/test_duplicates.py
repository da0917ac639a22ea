from common.llm.simulated.embedding import embed_text
from common.personas.duplicates import THRESHOLD, compare, persona_text
from tests.unit.personas.profiles import draft

OTHER = {
    "headline": "Welder in Radom who builds model ships",
    "occupation": "Welder",
    "story": "Piotr lives alone above a bakery and welds gates. He builds ships from matches, reads tide tables for "
    "fun and has never seen the sea. On Fridays he plays darts with two men whose surnames he does not know.",
    "interests": ["model ships from matches", "darts on Fridays", "tide tables"],
}


def test_a_copy_under_another_name_is_a_duplicate_of_the_first() -> None:
    """Of three personas that are the same, the first stays and both others point to it."""
    people = [draft(), draft(**OTHER), draft(name="Ewa Lis"), draft(name="Zofia Bąk", age_years=43)]
    found = compare([embed_text(persona_text(person)) for person in people])
    assert found.duplicate_of == [None, None, 0, 0]


def test_different_people_are_not_duplicates() -> None:
    """Personas that share a seat and little else are far below the threshold."""
    found = compare([embed_text(persona_text(person)) for person in (draft(), draft(**OTHER))])
    assert found.duplicate_of == [None, None]
    assert found.nearest is not None
    assert found.nearest.max < THRESHOLD - 0.1


def test_one_persona_has_nobody_near() -> None:
    """A panel of one, or none, has no similarities."""
    assert compare([embed_text("anyone")]).nearest is None
    assert compare([]).duplicate_of == []
