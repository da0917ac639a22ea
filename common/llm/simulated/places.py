"""Where simulated people live: a real place of their country that fits their seat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from common.llm.simulated.wording import load
from common.personas.labels import Reading
from common.personas.names import country_code

HOME_OF_LANGUAGE = {"pl": "pl", "en": "us"}
"""The country people live in where the audience names none."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place: its `kind` (village, town, city, suburb or plain), its name where we have one, how Polish says that
    one is in it, the seat's label, and `others` to have come from."""

    kind: str
    name: str = ""
    inside: str = ""
    label: str = ""
    others: tuple[str, ...] = ()


def choose_place(
    country: str | None, language: str, reading: Reading, seat: Mapping[str, str], randomness: Random
) -> Place:
    """A place in the seat's country, of its kind and in its region as far as its labels tell."""
    label = reading.place or ""
    named = bool(country) and country != "-"
    code = country_code(country) if named else HOME_OF_LANGUAGE.get(language.partition("-")[0].lower())
    known = load("places").get(code or "")
    if known is None:
        return Place(reading.settlement or "plain", label=label)
    kind: str = reading.settlement or randomness.choice(("city", "town"))
    labels = {value.casefold() for value in seat.values()}
    here = [entry for entry in known[kind] if entry[0].casefold() in labels]
    region = [entry for entry in known[kind] if entry[1] in labels]
    if label and not reading.settlement and not here and not region:
        return Place("plain", label=label, others=_others(known))
    chosen = randomness.choice(here or region or known[kind])
    return Place(kind, chosen[0], chosen[2] if len(chosen) > 2 else "", label, _others(known))


def _others(known: Mapping[str, list[list[str]]]) -> tuple[str, ...]:
    return tuple(entry[0] for kind in ("town", "village") for entry in known[kind])
