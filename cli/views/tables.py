"""Lists as tables, which read the same in a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.screen import Screen


def show_table(
    screen: Screen,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    empty: str,
    right: Sequence[int] = (),
    whole: Sequence[int] = (0,),
) -> None:
    """Shows rows under headings, or says that there are none. Columns in `right` are numbers, those in
    `whole` are never broken, so that they can be copied."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        screen.note(empty)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(
            heading, justify="right" if number in right else "left", no_wrap=number in whole or number in right
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    screen.out.print(table)


def when(instant: str | None) -> str:
    """An instant in local time, to the minute; empty when there is none."""
    if not instant:
        return ""
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M")


def shown_of(shown: int, limit: int, what: str) -> str:
    """Says that a list was cut at its limit, where it may have been."""
    return f"The first {shown} {what}; --limit shows more." if shown >= limit else ""
