import math

from common.llm.simulated.embedding import embed_text

NURSE = "The nurse drives to the hospital before dawn and sings in the car"


def cosine(one: str, other: str) -> float:
    """The similarity of two texts."""
    return sum(a * b for a, b in zip(embed_text(one), embed_text(other), strict=True))


def test_vectors_have_unit_length() -> None:
    """Every text has a unit vector, one without words too."""
    for text in (NURSE, "", "…", "a b c"):
        assert math.isclose(sum(value * value for value in embed_text(text)), 1.0)


def test_similar_texts_are_near() -> None:
    """Texts that share words are nearer than texts that share stems, and these nearer than strangers."""
    shared = cosine(NURSE, "Before dawn the nurse sings and drives to the hospital by car")
    stems = cosine(NURSE, "Nurses driving to hospitals, singing")
    strange = cosine(NURSE, "Quarterly revenue exceeded analysts' expectations")
    assert shared > 0.8 > stems > strange + 0.1
    assert strange < 0.2


def test_case_and_order_do_not_matter() -> None:
    """The same words are the same text."""
    assert math.isclose(cosine("Butter costs more", "more COSTS butter"), 1.0)
