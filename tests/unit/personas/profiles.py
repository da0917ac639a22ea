"""A persona to change in tests."""

from __future__ import annotations

from typing import Any

from common.personas.models import Draft

STORY = (
    "Anna lives in Puławy, a small town on the Vistula, with her husband Marek and two children. She gets up at 5:40 "
    "because the ward begins early, and she is back when school ends. Her mother moved in after a fall in 2021, and "
    "the spare room is gone. She grew up in a village nearby and still drives there for eggs. Money is enough for the "
    "month but not for the roof. Nobody at work knows that she once sang with a band called Papaja."
)


def draft(**changes: Any) -> Draft:
    """A good persona of a woman of 42 with a degree in a small town."""
    values: dict[str, Any] = {
        "name": "Anna Wójcik",
        "headline": "Nurse in Puławy whose mother has moved in",
        "age_years": 42,
        "occupation": "Nurse on a surgical ward",
        "story": STORY,
        "values": ["keeping one's word", "rest on Sundays", "being needed", "fair shares"],
        "interests": ["singing in the car", "mushroom picking in October", "crime novels", "growing dahlias"],
        "communication_style": "Talks fast, apologises for it and comes back to the point.",
        "decision_style": "Asks her sister, waits a week and then buys the cheaper one.",
        "concerns": ["a roof that will not last", "what her mother forgets", "prices before Christmas"],
        "needs": ["an hour to herself", "shifts known in advance", "a carer for Tuesdays"],
        "pains": ["phone calls during handover", "queues at the pharmacy", "forms asked for twice"],
        "grounds": [
            {"claim": "shifts known in advance", "basis": "Shift work decides what a week looks like."},
            {"claim": "Nurse on a surgical ward", "basis": "higher"},
            {"claim": "a roof that will not last", "basis": "Houses are owned and old."},
        ],
    }
    return Draft.model_validate(values | changes)


SEAT = {"age": "35-44", "gender": "female", "education": "higher", "place_of_residence": "small town"}
