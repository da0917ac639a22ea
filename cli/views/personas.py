"""Personas: a line each in lists, a card alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.views.numbers import level_bar
from cli.views.prose import show_prose
from cli.views.tables import show_table

if TYPE_CHECKING:
    from cli.screen import Screen

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")

_LISTS = ("values", "interests", "concerns", "needs", "pains")


@dataclass(frozen=True, slots=True)
class Card:
    """A persona, ready to show. `traits` are Big Five scores (0-100), `warnings` what is wrong with it."""

    name: str
    headline: str
    seat: str
    story: str
    facts: tuple[tuple[str, str], ...]
    traits: tuple[tuple[str, float], ...]
    quality: str
    warnings: tuple[str, ...]
    simulated: bool


def prepare_personas(personas: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Rows of a list of personas."""
    return [
        [
            each["id"],
            each["name"],
            each["headline"],
            ", ".join(each["demographics"].values()),
            f"{each['quality']['score']:.0f}",
            "duplicate" if each["duplicate_of"] else "",
        ]
        for each in personas
    ]


def prepare_card(persona: dict[str, Any]) -> Card:
    """One persona with everything about it."""
    profile, quality = persona["profile"], persona["quality"]
    facts = [("age", str(profile["age_years"])), ("occupation", profile["occupation"])]
    facts += [(name, ", ".join(profile[name])) for name in _LISTS]
    facts += [("speaks", profile["communication_style"]), ("decides", profile["decision_style"])]
    parts = ", ".join(f"{name} {part['score']:.0f}" for name, part in quality["parts"].items())
    warnings = [finding for part in quality["parts"].values() for finding in part["findings"]]
    if persona["duplicate_of"]:
        warnings.append(f"very like persona {persona['duplicate_of']}")
    return Card(
        name=persona["name"],
        headline=persona["headline"],
        seat="; ".join(f"{dimension}: {label}" for dimension, label in persona["demographics"].items()),
        story=profile["story"],
        facts=tuple(facts),
        traits=tuple((name, persona["traits"][name]) for name in TRAITS),
        quality=f"{quality['score']:.0f} of 100 ({parts})",
        warnings=tuple(warnings),
        simulated=persona["simulated"],
    )


def show_personas(screen: Screen, personas: Sequence[dict[str, Any]]) -> None:
    """Shows a list of personas."""
    headings = ("persona", "name", "headline", "who", "quality", "")
    show_table(screen, headings, prepare_personas(personas), empty="There are no such personas.", right=(4,))


def show_card(screen: Screen, card: Card) -> None:
    """Shows one persona."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    symbols = screen.symbols
    title = Text(card.name, style="bold")
    title.append(f" {symbols.dash} {card.headline}", style="not bold")
    if card.simulated:
        title.append("  [simulated]", style="yellow")
    show_prose(screen, title)
    show_prose(screen, Text(card.seat, style="dim"), indent=2)
    show_prose(screen, Text(card.story), indent=2)
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in card.facts:
        facts.add_row(Text(name, style="dim"), Text(value))
    for name, score in card.traits:
        facts.add_row(Text(name, style="dim"), Text(f"{level_bar(score, symbols)} {score:.0f}"))
    facts.add_row(Text("quality", style="dim"), Text(card.quality))
    screen.out.print(Padding(facts, (0, 0, 0, 2), expand=False))
    for warning in card.warnings:
        show_prose(screen, Text(f"{symbols.partial} {warning}", style="yellow"), indent=2)
