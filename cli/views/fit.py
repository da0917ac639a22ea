"""How a panel meets its audience: every marginal beside its target, and the statistics of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.views.numbers import decimal, percent, share_bar

if TYPE_CHECKING:
    from cli.screen import Screen


@dataclass(frozen=True, slots=True)
class Row:
    """One label: its target and produced share and seats."""

    label: str
    target_share: float
    target_seats: float
    seats: int
    share: float


@dataclass(frozen=True, slots=True)
class Marginal:
    """One dimension's labels; `most` is the largest share in it, `title` what people call it."""

    title: str
    rows: tuple[Row, ...]
    most: float
    within_one_seat: bool
    total_variation: str
    jensen_shannon: str
    p_value: str


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure with what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class FitView:
    """A fit report, ready to show."""

    marginals: tuple[Marginal, ...]
    statistics: tuple[Statistic, ...]
    notes: tuple[str, ...]


def prepare_fit(fit: dict[str, Any], titles: dict[str, str] | None = None) -> FitView:
    """A fit report as the server gives it; `titles` are what people call its dimensions."""
    overall = fit["overall"]
    deviation = overall["deviation"]
    within = "every label within one seat of its target" if overall["within_one_seat"] else "NOT within one seat"
    statistics = [
        Statistic("largest deviation", _seats(deviation["max_seats"]), within),
        Statistic(
            "total variation", decimal(deviation["total_variation"]), "mean over dimensions; 0 is exact, 1 disjoint"
        ),
        Statistic("Jensen-Shannon distance", decimal(deviation["jensen_shannon"]), "mean, base 2; 0 is the same"),
        Statistic(
            "chi-square",
            f"{decimal(deviation['chi_square'], 2)} (df {deviation['degrees_of_freedom']}), "
            f"p = {decimal(deviation['p_value'])}",
            "p near 1: what is left is rounding to whole seats",
        ),
    ]
    if overall["cross_tabs_within_one_seat"] is not None:
        answer = "yes" if overall["cross_tabs_within_one_seat"] else "no"
        statistics.append(Statistic("cross-tabs", answer, "every cell within one seat of its target"))
    return FitView(
        tuple(_marginal(each, (titles or {}).get(each["dimension"], each["dimension"])) for each in fit["dimensions"]),
        tuple(statistics),
        tuple(fit.get("notes") or ()),
    )


def _marginal(fit: dict[str, Any], title: str) -> Marginal:
    rows = tuple(
        Row(
            each["label"],
            each["target_share"],
            each["target_seats"],
            each["produced"],
            each["produced_share"] or 0.0,
        )
        for each in fit["labels"]
    )
    return Marginal(
        title,
        rows,
        max((share for row in rows for share in (row.share, row.target_share)), default=0.0),
        fit["within_one_seat"],
        decimal(fit["deviation"]["total_variation"]),
        decimal(fit["deviation"]["jensen_shannon"]),
        decimal(fit["deviation"]["p_value"]),
    )


def _seats(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} seats"


def show_fit(screen: Screen, view: FitView) -> None:
    """Shows the marginals as one table, and the statistics below."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for heading in ("target", "panel", "target seats", "seats"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(f"panel {screen.symbols.full}, target {screen.symbols.marker}", no_wrap=True)
    for marginal in view.marginals:
        mark = "" if marginal.within_one_seat else f" [red]{screen.symbols.bad}[/red]"
        table.add_row(f"[bold]{escape(marginal.title)}[/bold]{mark}")
        for row in marginal.rows:
            table.add_row(
                f"  {escape(row.label)}",
                percent(row.target_share),
                percent(row.share),
                f"{row.target_seats:.1f}",
                str(row.seats),
                share_bar(row.share, row.target_share, screen.symbols, most=marginal.most),
            )
    screen.out.print(table)
    figures = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for statistic in view.statistics:
        figures.add_row(
            statistic.name, f"[bold]{escape(statistic.value)}[/bold]", f"[dim]{escape(statistic.meaning)}[/dim]"
        )
    screen.out.print(figures)
    for note in view.notes:
        screen.out.print(f"{screen.symbols.bullet} {escape(note)}")
