import pytest

from common.personas.labels import read_seat
from common.personas.models import Quality, SegmentBrief
from common.personas.quality import WEIGHTS, check_grounds, score
from tests.unit.personas.profiles import SEAT, draft

BRIEF = SegmentBrief(
    daily_life="Shift work decides what a week looks like. Children and parents need looking after.",
    economic_situation="Houses are owned and old. Incomes are in the middle and repairs are put off.",
    attitudes=["People repair before they replace.", "Doctors are trusted.", "Nobody likes forms."],
    media_habits=["radio in the car", "groups of the neighbourhood"],
    variation="What divides them is whether parents live nearby or far away from them.",
)


def scored(**changes: object) -> Quality:
    """The quality of a persona."""
    written = draft(**changes)
    grounds = check_grounds(written, SEAT, BRIEF)
    return score(written.profile(), read_seat(SEAT), "en", grounds=grounds)


def test_weights_add_up() -> None:
    """The weights of the parts sum to one."""
    assert sum(WEIGHTS.values()) == pytest.approx(1)


def test_the_score_is_the_weighted_mean_of_its_parts() -> None:
    """The score can be worked out from what is shown with it."""
    quality = scored()
    assert quality.score == pytest.approx(sum(p.score * p.weight for p in quality.parts.values()), abs=0.06)
    assert 85 <= quality.score <= 100


def test_grounds_count_when_both_ends_are_found() -> None:
    """A ground is verified when its claim stands in the profile and its basis in the brief or the seat."""
    assert [ground.verified for ground in scored().grounds] == [True, True, True]
    invented = [
        {"claim": "shifts known in advance", "basis": "Nurses are often tired."},
        {"claim": "owns a boat", "basis": "Houses are owned and old."},
        {"claim": "a carer for tuesdays", "basis": "DOCTORS are trusted."},
    ]
    quality = scored(grounds=invented)
    assert [ground.verified for ground in quality.grounds] == [False, False, True]
    assert quality.parts["grounding"].score == pytest.approx(33.3)
    assert len(quality.parts["grounding"].findings) == 2


def test_a_persona_that_does_not_show_its_seat_scores_lower() -> None:
    """What is known of the seat and not to be seen in the text is named."""
    quiet = "Someone gets up early and goes to bed late, and in between there is work, and bread, and rain on the roof."
    part = scored(story=quiet).parts["consistency"]
    assert part.score < 50
    assert any("gender" in finding for finding in part.findings)
    assert any("place" in finding for finding in part.findings)


def test_phrases_that_fit_anyone_cost_points() -> None:
    """General praise is named and makes a persona less specific."""
    general = scored(communication_style="Down to earth and hard-working, always looking for the good.")
    assert general.parts["specificity"].score < scored().parts["specificity"].score
    assert len(general.parts["specificity"].findings) == 3


def test_short_profiles_are_incomplete() -> None:
    """Short texts and short lists are named."""
    part = scored(story="x" * 90, needs=["an hour to herself", "a carer for Tuesdays"]).parts["completeness"]
    assert part.score < 95
    assert part.findings == ["story is short", "needs is short"]


def test_saying_the_same_twice_costs_diversity() -> None:
    """Entries that share most of their words are named."""
    repeated = scored(pains=["shifts known too late in advance", "queues at the pharmacy", "forms asked for twice"])
    assert repeated.parts["diversity"].score < scored().parts["diversity"].score
    assert "say the same" in repeated.parts["diversity"].findings[0]


def test_unknown_languages_are_not_held_against_a_persona() -> None:
    """Where we know too little of a language the part says so and costs nothing."""
    written = draft()
    part = score(written.profile(), read_seat(SEAT), "fi", grounds=[]).parts["language"]
    assert part.score == 100
    assert "not checked" in part.findings[0]


def test_a_seat_nobody_can_read_costs_nothing() -> None:
    """Where nothing of the seat is understood, nothing can be missing from the text."""
    part = score(draft().profile(), read_seat({"tribe": "blue"}), "en", grounds=[]).parts["consistency"]
    assert part.score == 100
