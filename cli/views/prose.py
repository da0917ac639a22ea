"""Running text, broken between words and indented."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from cli.screen import Screen


def show_prose(screen: Screen, text: Text, *, indent: int = 0, hanging: int = 0) -> None:
    """Shows a text with every line indented, those after the first by `hanging` more."""
    first, rest = " " * indent, " " * (indent + hanging)
    lines = text.wrap(screen.out, max(20, screen.out.width - len(rest)))
    for number, line in enumerate(lines):
        line.rstrip()
        line.pad_left(len(rest if number else first))
        screen.out.print(line, soft_wrap=True)
