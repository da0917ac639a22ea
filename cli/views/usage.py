"""What was used: calls, tokens and money, in total and by purpose, model and day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cli.views.numbers import usd
from cli.views.tables import show_table

if TYPE_CHECKING:
    from cli.screen import Screen

HEADINGS = ("calls", "failed", "from cache", "input", "cached by provider", "output", "cost")


def prepare_totals(totals: dict[str, Any]) -> list[str]:
    """The figures of one row, in the order of the headings."""
    return [
        f"{totals['calls']:,}",
        f"{totals['failed']:,}",
        f"{totals['cache_hits']:,}",
        f"{totals['input_tokens']:,}",
        f"{totals['cached_input_tokens']:,}",
        f"{totals['output_tokens']:,}",
        usd(totals["cost_micros"]),
    ]


def prepare_usage(usage: dict[str, Any]) -> list[list[str]]:
    """Rows by purpose and model, and one of the total."""
    rows = [
        [each["purpose"], each["model"] + (" (simulated)" if each["simulated"] else ""), *prepare_totals(each)]
        for each in usage["by_model"]
    ]
    return [*rows, ["total", "", *prepare_totals(usage["total"])]] if rows else []


def show_usage(screen: Screen, usage: dict[str, Any], *, by_day: bool = False) -> None:
    """Shows what was used."""
    figures = range(1, 1 + len(HEADINGS))
    if by_day:
        rows: Sequence[Sequence[str]] = [[each["day"], *prepare_totals(each)] for each in usage["by_day"]]
        show_table(screen, ("day", *HEADINGS), rows, empty="Nothing was used.", right=figures)
        return
    headings = ("purpose", "model", *HEADINGS)
    right = [number + 1 for number in figures]
    show_table(screen, headings, prepare_usage(usage), empty="Nothing was used.", right=right)
