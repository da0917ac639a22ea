"""What was said, in order: persona by persona or question by question, gaps with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from cli.views.numbers import signed
from cli.views.prose import show_prose

if TYPE_CHECKING:
    from cli.screen import Screen

Order = Literal["persona", "question"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One place in a transcript: who or what it is, what was said, and a line about it. Where nothing was
    said, `missing` says why."""

    title: str
    said: str
    aside: str
    missing: str


@dataclass(frozen=True, slots=True)
class Part:
    """The turns of one persona, or about one question."""

    title: str
    turns: tuple[Turn, ...]


def prepare_transcript(
    entries: Sequence[dict[str, Any]], questions: Sequence[str], *, order: Order = "persona"
) -> list[Part]:
    """The entries of a transcript, in the order they come, with the questions by their positions."""

    def about(entry: dict[str, Any]) -> str:
        position = entry["question_position"]
        return f"{position + 1}. {questions[position]}" if position < len(questions) else f"Question {position + 1}"

    def who(entry: dict[str, Any]) -> str:
        return str(entry["persona_name"])

    position, title, turn = (
        ("persona_position", who, about) if order == "persona" else ("question_position", about, who)
    )
    parts = []
    for _, group in groupby(entries, key=lambda entry: entry[position]):
        members = list(group)
        parts.append(Part(title(members[0]), tuple(_turn(entry, turn(entry)) for entry in members)))
    return parts


def _turn(entry: dict[str, Any], title: str) -> Turn:
    answer = entry["answer"]
    if answer is None:
        gap = entry["gap"]
        return Turn(title, "", "", f"{entry['state']}: {gap['detail']} ({gap['code']})" if gap else entry["state"])
    aside = f"{answer['stance']}, sentiment {signed(answer['sentiment'])}, sure {round(100 * answer['confidence'])} %"
    if answer["themes"]:
        aside += f"; {', '.join(answer['themes'])}"
    heard = answer["heard"]
    if heard:
        aside += f"; had heard {heard['digest']['answered']} answers and {len(heard['quotes'])} quotes"
    return Turn(title, answer["text"], aside, "")


def show_transcript(screen: Screen, parts: Sequence[Part]) -> None:
    """Shows the parts as text."""
    from rich.text import Text

    for part in parts:
        screen.out.print()
        show_prose(screen, Text(part.title, style="bold"))
        for turn in part.turns:
            show_prose(screen, Text(turn.title, style="cyan"), indent=2, hanging=2)
            if turn.missing:
                show_prose(screen, Text(f"{screen.symbols.bad} {turn.missing}", style="red"), indent=4)
                continue
            show_prose(screen, Text(turn.said), indent=4)
            show_prose(screen, Text(turn.aside, style="dim"), indent=4)
