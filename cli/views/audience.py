"""An audience: its dimensions with their shares, and where the figures come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.views.numbers import percent
from cli.views.prose import show_prose

if TYPE_CHECKING:
    from cli.screen import Screen


@dataclass(frozen=True, slots=True)
class AudienceView:
    """An audience, ready to show."""

    name: str
    about: tuple[str, ...]
    dimensions: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    cross_tabs: tuple[str, ...]
    sources: tuple[str, ...]


def prepare_audiences(audiences: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of a list of audiences: those of the catalogue have a slug, those kept in a project an id."""
    return [
        [
            each.get("slug") or each["id"],
            each["name"],
            ", ".join(each["dimensions"]),
            each.get("description") or "",
        ]
        for each in audiences
    ]


def prepare_audience(audience: dict[str, Any]) -> AudienceView:
    """An audience as the server gives it."""
    about = [audience["description"], audience["country"]]
    respondents = audience["respondents"]
    if respondents:
        about.append(f"{len(respondents['rows'])} respondents")
    return AudienceView(
        audience["name"],
        tuple(each for each in about if each),
        tuple(
            (_title(each), tuple((entry["label"], entry["share"]) for entry in each["shares"]))
            for each in audience["dimensions"]
        ),
        tuple(" x ".join(each["dimensions"]) for each in audience["cross_tabs"]),
        tuple(_source(each) for each in audience["sources"]),
    )


def titles_of(audience: dict[str, Any]) -> dict[str, str]:
    """What people call each dimension, where that differs from what programs do."""
    return {each["name"]: _title(each) for each in audience["dimensions"]}


def _title(dimension: dict[str, Any]) -> str:
    name, label = dimension["name"], dimension["label"]
    return name if not label or label == name else f"{label} ({name})"


def _source(source: dict[str, Any]) -> str:
    parts = [f"{source['publisher']} ({source['year']}): {source['title']}", source["table"], source["url"]]
    text = ", ".join(part for part in parts if part)
    return f"{text}. {source['note']}" if source["note"] else text


def show_audience(screen: Screen, view: AudienceView) -> None:
    """Shows an audience."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    show_prose(screen, Text(view.name, style="bold"))
    for each in view.about:
        show_prose(screen, Text(each))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for title, shares in view.dimensions:
        table.add_row(Text(title, style="bold"))
        for label, share in shares:
            table.add_row(Text(f"  {label}"), percent(share), screen.symbols.full * round(40 * share))
    screen.out.print(table)
    if view.cross_tabs:
        show_prose(screen, Text(f"Cross-tabs: {', '.join(view.cross_tabs)}"))
    for source in view.sources:
        show_prose(screen, Text(f"Source: {source}", style="dim"), hanging=2)
