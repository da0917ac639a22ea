"""The analysis of a focus group: each insight with the quotes it rests on, and figures with what they rest on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cli.views.numbers import sentiment_bar, signed
from cli.views.prose import show_prose

if TYPE_CHECKING:
    from cli.screen import Screen

QUOTES = 2
"""Quotes shown under an insight; how many more there are is said."""

_SECTIONS = {
    "executive_summary": "executive summary",
    "themes": "themes",
    "surprising": "surprising findings",
    "disagreements": "disagreements",
    "recommendations": "recommendations",
}
_FAULTS = {
    "no_evidence": "named no answer",
    "unknown_answer": "named an answer that is not there",
    "quote_too_short": "quoted too little to tell",
    "quote_not_found": "quoted what the answer does not say",
}


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of an answer and who said them; the question counts from 1."""

    text: str
    persona: str
    question: int


@dataclass(frozen=True, slots=True)
class Insight:
    """A statement with what it rests on. `aside` is a line of figures or reasons, `of` counts all quotes, and
    `part` tells that it is a part of the insight before it."""

    statement: str
    aside: str
    quotes: tuple[Quote, ...]
    of: int
    part: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Insights under a heading."""

    title: str
    insights: tuple[Insight, ...]


@dataclass(frozen=True, slots=True)
class Tone:
    """The sentiment of some answers: `mean` is None where nobody answered."""

    label: str
    mean: float | None
    answers: int
    small: bool


@dataclass(frozen=True, slots=True)
class SummaryView:
    """A summary, ready to show. `warnings` say what it misses."""

    state: str
    simulated: bool
    model: str
    coverage: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    questions: tuple[Tone, ...]
    segments: tuple[tuple[str, tuple[Tone, ...]], ...]


def prepare_summary(summary: dict[str, Any], *, quotes: int = QUOTES) -> SummaryView:
    """A summary as the server gives it, with up to `quotes` quotes for each insight."""
    report = summary["report"]
    warnings = [f"The newest analysis is {summary['state']}: {summary['reason']}"] if summary.get("reason") else []
    if report is None:
        return SummaryView(summary["state"], bool(summary["simulated"]), "", "", tuple(warnings), (), (), ())
    coverage = report["coverage"]
    sections = {
        "Executive summary": [_insight(each["statement"], "", each, quotes) for each in report["executive_summary"]],
        "Themes": [_theme(each, quotes) for each in report["themes"]],
        "Surprising findings": [
            _insight(each["statement"], f"Expected: {each['expectation']}", each, quotes)
            for each in report["surprising"]
        ],
        "Disagreements": [insight for each in report["disagreements"] for insight in _disagreement(each, quotes)],
        "Recommendations": [
            _insight(each["action"], each["reason"], each, quotes) for each in report["recommendations"]
        ],
    }
    return SummaryView(
        summary["state"],
        bool(summary["simulated"]),
        summary["model"] or "",
        f"{coverage['answers_read']} of {coverage['answers_asked']} answers read, of {coverage['personas']} personas",
        (*warnings, *_missing(coverage), *_rejected(report["rejected"])),
        tuple(Section(title, tuple(insights)) for title, insights in sections.items() if insights),
        tuple(
            _tone(f"{each['question'] + 1}. {each['text']}", each["figures"])
            for each in report["sentiment"]["by_question"]
        ),
        _segments(report["sentiment"]["by_segment"]),
    )


def _missing(coverage: dict[str, Any]) -> list[str]:
    return [
        f"{each['answers']} answers of personas {each['first_persona'] + 1} to {each['last_persona'] + 1} "
        f"were not read: {each['reason']} ({each['code']})"
        for each in coverage["missing"]
    ]


def _rejected(rejected: list[dict[str, Any]]) -> list[str]:
    return [
        f"{each['count']} left out of {_SECTIONS.get(each['section'], each['section'])}: "
        f"{_FAULTS.get(each['fault'], each['fault'])}"
        for each in rejected
    ]


def _insight(statement: str, aside: str, source: dict[str, Any], quotes: int) -> Insight:
    evidence = source["evidence"]
    shown = tuple(Quote(each["quote"], each["persona_name"], each["question"] + 1) for each in evidence[:quotes])
    return Insight(statement, aside, shown, len(evidence))


def _theme(theme: dict[str, Any], quotes: int) -> Insight:
    figures = f"{theme['answers']} answers by {theme['personas']} personas"
    if theme["sentiment"]["mean"] is not None:
        figures += f", sentiment {signed(theme['sentiment']['mean'])}"
    return _insight(f"{theme['name']} ({figures})", theme["description"], theme, quotes)


def _disagreement(each: dict[str, Any], quotes: int) -> list[Insight]:
    sides = [replace(_insight(side["position"], "", side, quotes), part=True) for side in each["sides"]]
    return [Insight(each["about"], "", (), 0), *sides]


def _tone(label: str, figures: dict[str, Any]) -> Tone:
    return Tone(label, figures["mean"], figures["answers"], figures["small"])


def _segments(segments: list[dict[str, Any]]) -> tuple[tuple[str, tuple[Tone, ...]], ...]:
    dimensions: dict[str, list[Tone]] = {}
    for each in segments:
        dimensions.setdefault(each["dimension"], []).append(_tone(each["label"], each["figures"]))
    return tuple((dimension, tuple(tones)) for dimension, tones in dimensions.items())


def show_summary(screen: Screen, view: SummaryView, *, segments: bool = True) -> None:
    """Shows the summary as text."""
    from rich.markup import escape

    out, symbols = screen.out, screen.symbols
    for section in view.sections:
        out.print(f"\n[bold]{section.title}[/bold]")
        for insight in section.insights:
            _show_insight(screen, insight, indent=4 if insight.part else 2)
    if view.questions:
        out.print("\n[bold]Sentiment by question[/bold]")
        _show_tones(screen, view.questions)
    if segments:
        for dimension, tones in view.segments:
            out.print(f"\n[bold]Sentiment by {escape(dimension)}[/bold]")
            _show_tones(screen, tones)
    if view.coverage:
        out.print(f"\n{view.coverage}; model {escape(view.model)}{' (simulated)' if view.simulated else ''}")
    for warning in view.warnings:
        out.print(f"[yellow]{symbols.partial}[/yellow] {escape(warning)}")


def _show_insight(screen: Screen, insight: Insight, *, indent: int) -> None:
    from rich.text import Text

    symbols = screen.symbols
    sign = symbols.dash if insight.part else symbols.bullet
    show_prose(screen, Text(f"{sign} {insight.statement}"), indent=indent, hanging=2)
    if insight.aside:
        show_prose(screen, Text(insight.aside, style="dim"), indent=indent + 2)
    for quote in insight.quotes:
        said = Text(f"{symbols.quote_open}{quote.text}{symbols.quote_close}", style="italic")
        said.append(f" {symbols.dash} {quote.persona}, question {quote.question}", style="not italic dim")
        show_prose(screen, said, indent=indent + 4)
    if insight.of > len(insight.quotes) > 0:
        show_prose(screen, Text(f"and {insight.of - len(insight.quotes)} more", style="dim"), indent=indent + 4)


def _show_tones(screen: Screen, tones: tuple[Tone, ...]) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(max_width=64)
    for tone in tones:
        few = "few personas" if tone.small else ""
        table.add_row(
            Text(tone.label),
            sentiment_bar(tone.mean, screen.symbols),
            signed(tone.mean),
            f"{tone.answers} answers",
            few,
        )
    screen.out.print(Padding(table, (0, 0, 0, 2)))
