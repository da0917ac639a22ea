"""Tests of what is shown, apart from how it is drawn."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.progress import exit_code_of, prepare_ending, prepare_trouble, show_progress
from cli.screen import ASCII, Screen, Symbols
from cli.views.audience import prepare_audience, prepare_audiences, show_audience, titles_of
from cli.views.estimate import prepare_estimates, prepare_expectation, show_estimates
from cli.views.fit import prepare_fit, show_fit
from cli.views.jobs import prepare_job, prepare_jobs, show_job
from cli.views.numbers import level_bar, percent, seconds, sentiment_bar, share_bar, signed, usd
from cli.views.panel import prepare_review, show_panel
from cli.views.personas import prepare_card, prepare_personas, show_card
from cli.views.summary import prepare_summary, show_summary
from cli.views.tables import show_table
from cli.views.transcript import prepare_transcript, show_transcript
from cli.views.usage import prepare_usage, show_usage
from cli.watch import prepare_progress
from tests.unit.cli.samples import deviation, entry, estimate, evidence, fit, job, panel, persona, summary


@pytest.fixture
def screen() -> Screen:
    """A screen that keeps what is written."""
    console = Console(file=io.StringIO(), width=100, highlight=False, emoji=False)
    return Screen(console, console, Symbols())


def shown(screen: Screen) -> str:
    """What was written to the screen."""
    assert isinstance(screen.out.file, io.StringIO)
    return screen.out.file.getvalue()


@pytest.mark.parametrize(
    ("micros", "text"),
    [(None, "-"), (0, "$0.00"), (12, "$0.0000"), (12_345, "$0.0123"), (1_230_000, "$1.23"), (123_456_789, "$123.46")],
)
def test_money_has_the_digits_that_matter(micros: int | None, text: str) -> None:
    """Small sums keep four digits; what is not known is no zero."""
    assert usd(micros) == text


def test_numbers_that_are_not_known_are_dashes() -> None:
    """A gap is never shown as a zero."""
    assert [percent(None), signed(None), seconds(None)] == ["-", "-", "-"]
    assert sentiment_bar(None, ASCII).strip() == ""
    assert [percent(0.123), signed(-0.5), seconds(3.21), seconds(150)] == ["12.3 %", "-0.50", "3.2 s", "2 min 30 s"]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 100), st.floats(-1, 1))
def test_bars_keep_their_width(produced: float, target: float, level: float, mean: float) -> None:
    """Whatever the values, a bar is as wide as it should be and has its marks."""
    bar = share_bar(produced, target, ASCII, width=20, most=max(produced, target, 0.01))
    assert len(bar) <= 20
    assert bar.count("|") == 1
    assert len(level_bar(level, ASCII)) == 10
    assert len(sentiment_bar(mean, ASCII)) == 17


def test_a_fit_shows_targets_beside_the_panel(screen: Screen) -> None:
    """Each label has its target and what was produced, and the statistics say what they mean."""
    view = prepare_fit(fit(), {"gender": "Płeć"})
    [marginal] = view.marginals
    assert (marginal.title, [row.seats for row in marginal.rows]) == ("Płeć", [10, 10])
    assert {each.name: each.value for each in view.statistics} == {
        "largest deviation": "0.40 seats",
        "total variation": "0.010",
        "Jensen-Shannon distance": "0.020",
        "chi-square": "0.10 (df 1), p = 0.990",
    }
    show_fit(screen, view)
    assert re.search(r"Mężczyzna +48\.0 % +50\.0 % +9\.6 +10", shown(screen))


def test_a_fit_that_misses_says_so() -> None:
    """A label more than a seat off is not passed over, and neither are cross-tabs."""
    report = fit(within_one_seat=False, cross_tabs_within_one_seat=False, deviation=deviation(p_value=None))
    statistics = {each.name: each for each in prepare_fit(report).statistics}
    assert statistics["largest deviation"].meaning == "NOT within one seat"
    assert statistics["cross-tabs"].value == "no"
    assert statistics["chi-square"].value.endswith("p = -")


def test_a_panel_shows_its_review_once_there_is_one(screen: Screen) -> None:
    """Rates of the review are shares; before it there is none."""
    review = {
        "personas": 20,
        "duplicates": 1,
        "duplicate_threshold": 0.95,
        "nearest": {"median": 0.7, "p95": 0.9, "max": 0.97},
        "mean_quality": 88.2,
        "consistency_rate": 1.0,
        "first_reply_consistency_rate": 0.95,
        "grounded_claims_rate": None,
    }
    assert prepare_review(None) == [("review", "not yet")]
    facts = dict(prepare_review(review))
    assert facts["agree with their seat"] == "100.0 %"
    assert facts["claims with grounds"] == "-"
    show_panel(screen, panel(review=review))
    assert "1 (more alike than 0.95)" in shown(screen)


def test_a_persona_has_a_line_and_a_card(screen: Screen) -> None:
    """Lists show who it is, cards everything and what is wrong with it."""
    [row] = prepare_personas([persona(duplicate_of="x")])
    assert row[1:] == ["Żaneta Łoś", "Nurse who cycles to work", "Kobieta, 25-34", "88", "duplicate"]
    card = prepare_card(persona(duplicate_of="x"))
    assert card.warnings == ("the story is short", "very like persona x")
    show_card(screen, card)
    assert "[simulated]" in shown(screen)
    assert "gender: Kobieta; age: 25-34" in shown(screen)


def test_a_transcript_can_be_read_either_way(screen: Screen) -> None:
    """By persona each turn is a question, by question each turn is a persona."""
    entries = [entry(0, 0), entry(0, 1), entry(1, 0)]
    by_persona = prepare_transcript(entries, ["First?", "Second?"])
    assert [[turn.title for turn in part.turns] for part in by_persona] == [["1. First?", "2. Second?"], ["1. First?"]]
    by_question = prepare_transcript(
        sorted(entries, key=lambda e: e["question_position"]), ["First?"], order="question"
    )
    assert [part.title for part in by_question] == ["1. First?", "Question 2"]
    show_transcript(screen, by_persona)
    assert "mixed, sentiment -0.25, sure 80 %; price, taste" in shown(screen)


def test_a_missing_answer_says_why() -> None:
    """A gap has its reason, and what was heard is counted."""
    gap = entry(answer=None, gap={"code": "llm_refused", "detail": "the model refused"}, state="failed")
    pending = entry(0, 1, answer=None, state="pending")
    heard = entry(0, 2)
    heard["answer"] |= {"heard": {"digest": {"answered": 19}, "quotes": [{}, {}]}}
    [part] = prepare_transcript([gap, pending, heard], [])
    assert [turn.missing for turn in part.turns] == ["failed: the model refused (llm_refused)", "pending", ""]
    assert part.turns[2].aside.endswith("had heard 19 answers and 2 quotes")


def test_a_summary_shows_what_each_insight_rests_on(screen: Screen) -> None:
    """Quotes come with who said them; how many are not shown is said."""
    view = prepare_summary(summary(), quotes=2)
    assert [section.title for section in view.sections] == [
        "Executive summary",
        "Themes",
        "Surprising findings",
        "Disagreements",
        "Recommendations",
    ]
    first = view.sections[0].insights[0]
    assert ([quote.text for quote in first.quotes], first.of) == (["quote 0", "quote 1"], 3)
    show_summary(screen, view)
    text = shown(screen)
    assert "“quote 0” – Żaneta Łoś, question 2" in text
    assert "and 1 more" in text
    assert "price (12 answers by 9 personas, sentiment -0.40)" in text
    assert "78 of 80 answers read, of 20 personas; model simulated (simulated)" in text


def test_a_summary_admits_what_it_misses() -> None:
    """Answers nobody read, insights that were left out and a failed attempt are all said."""
    with_gap = summary(state="failed", reason="the model was busy")
    with_gap["report"]["coverage"]["missing"] = [
        {"answers": 4, "first_persona": 0, "last_persona": 0, "code": "llm_refused", "reason": "refused"}
    ]
    assert prepare_summary(with_gap).warnings == (
        "The newest analysis is failed: the model was busy",
        "4 answers of personas 1 to 1 were not read: refused (llm_refused)",
        "2 left out of themes: quoted what the answer does not say",
    )
    nothing = prepare_summary(summary(report=None, state="failed", reason="x", simulated=None, model=None))
    assert (nothing.sections, nothing.warnings) == ((), ("The newest analysis is failed: x",))


def test_sentiment_nobody_gave_is_a_gap() -> None:
    """A question without answers has no mean."""
    [question] = prepare_summary(summary()).questions
    assert (question.label, question.mean) == ("1. What do you drink?", None)


def test_a_job_says_how_it_stands(screen: Screen) -> None:
    """Counts, money and the reason it stopped."""
    ended = job(
        state="partial",
        stop_reason="budget",
        items={"done": 2, "failed": 1, "skipped": 1},
        finished_at="2026-01-02T03:04:15+00:00",
        spend={"spent_micros": 12_345, "reserved_micros": 0, "budget_micros": 20_000},
        reasons=[{"code": "llm_refused", "detail": "the model refused", "items": 1}],
    )
    facts = dict(prepare_job(ended))
    assert facts["state"] == "partial (budget)"
    assert facts["items"] == "2 done, 1 failed, 1 not run, of 4"
    assert facts["spent"] == "$0.0123 of $0.02"
    assert facts["took"] == "10.0 s"
    assert prepare_jobs([ended])[0][1:5] == ["Personas", "partial", "2/4", "$0.0123"]
    assert prepare_ending(ended) == (
        "Personas: partial, 2 of 4 done, 1 failed, 1 not run; 1 x the model refused (llm_refused)"
    )
    show_job(screen, ended)
    assert "the model refused" in shown(screen)


@pytest.mark.parametrize(
    ("state", "code"), [("completed", 0), ("partial", 3), ("cancelled", 3), ("failed", 1), ("unheard-of", 1)]
)
def test_the_exit_code_tells_how_a_job_ended(state: str, code: int) -> None:
    """Only completion is 0."""
    assert exit_code_of(job(state=state)) == code


def test_progress_without_a_terminal_is_a_line_now_and_then(screen: Screen) -> None:
    """A hundred steps make a handful of lines, the last of them the end."""
    steps = [job(items={"total": 100, "done": n}, state="completed" if n == 100 else "running") for n in range(101)]
    clock = iter(range(1000))
    last = show_progress(screen, map(prepare_progress, steps), clock=lambda: next(clock))
    lines = shown(screen).splitlines()
    assert last["items"]["done"] == 100
    assert [line.split()[1] for line in lines] == ["0", "25", "50", "75", "100"]


def test_progress_on_a_terminal_is_a_bar() -> None:
    """On a terminal there is one bar, in symbols the terminal has."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    steps: list[dict[str, Any]] = [job(), job(state="completed", items={"done": 3, "failed": 1})]
    assert show_progress(Screen(console, console, ASCII), map(prepare_progress, steps)) == steps[-1]
    assert isinstance(console.file, io.StringIO)
    assert "4/4" in console.file.getvalue()
    assert "1 failed" in console.file.getvalue()


def test_interrupted_watching_says_how_to_go_on(screen: Screen) -> None:
    """Ctrl-C ends the watching and names the job."""

    def updates() -> Any:
        yield prepare_progress(job())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_progress(screen, updates())
    assert f"sight watch {job()['id']}" in shown(screen)


def test_trouble_is_told() -> None:
    """What failed or did not run is said, and nothing where all went well."""
    assert prepare_trouble(prepare_progress(job())) == ""
    assert prepare_trouble(prepare_progress(job(items={"failed": 2, "skipped": 1}))) == "2 failed, 1 not run"


def test_an_empty_table_says_so(screen: Screen) -> None:
    """Nothing to list is said in words."""
    show_table(screen, ("a",), [], empty="There is nothing.")
    assert shown(screen) == "There is nothing.\n"


def test_text_of_others_is_never_markup(screen: Screen) -> None:
    """Brackets in what models and users write are shown as they are."""
    said = entry()
    said["answer"] |= {"text": "[bold]not bold[/bold]"}
    show_transcript(screen, prepare_transcript([said], ["[red]q[/red]"]))
    quoted = summary()
    quoted["report"]["executive_summary"] = [{"statement": "[b]s[/b]", "evidence": evidence(1)}]
    show_summary(screen, prepare_summary(quoted))
    for text in ("[bold]not bold[/bold]", "[red]q[/red]", "[b]s[/b]"):
        assert text in shown(screen)


TOTALS = {
    "calls": 1_234,
    "failed": 1,
    "cache_hits": 2,
    "input_tokens": 50_000,
    "output_tokens": 6_000,
    "cached_input_tokens": 0,
    "saved_tokens": 700,
    "cost_micros": 1_500_000,
}


def test_usage_has_a_row_for_each_purpose_and_model(screen: Screen) -> None:
    """Simulated calls are marked, and the total is last; by day there is a row a day."""
    usage = {
        "total": TOTALS,
        "by_model": [{"purpose": "answer", "model": "simulated-1", "simulated": True, **TOTALS}],
        "by_day": [{"day": "2026-01-02", **TOTALS}],
    }
    rows = prepare_usage(usage)
    assert rows[0] == ["answer", "simulated-1 (simulated)", "1,234", "1", "2", "50,000", "0", "6,000", "$1.50"]
    assert rows[1][0] == "total"
    assert prepare_usage({"total": TOTALS, "by_model": [], "by_day": []}) == []
    show_usage(screen, usage, by_day=True)
    assert "2026-01-02" in shown(screen)


def test_an_estimate_is_a_median_and_a_limit(screen: Screen) -> None:
    """Both figures are shown, what they rest on is said, and one line sums them up."""
    estimates = {"personas": estimate(), "focus_group": estimate()}
    assert prepare_estimates(estimates)[0] == [
        "Personas",
        "40",
        "1,000 to 2,000",
        "100 to 200",
        "$0.02 to $0.04",
        "2.0 s to 3.5 s",
        "gemini-2.5-flash",
    ]
    assert prepare_expectation(estimates) == (
        "Expected to take 4.0 s and $0.04 (in 9 of 10 cases less than 7.0 s and $0.08)"
    )
    show_estimates(screen, estimates)
    assert "from calls made before, at prices of 2025-06-17" in shown(screen)


def test_an_audience_shows_its_shares_and_sources(screen: Screen) -> None:
    """People see what they call a dimension, and where its figures come from."""
    audience: dict[str, Any] = {
        "name": "Adults",
        "description": None,
        "country": "Poland",
        "respondents": None,
        "dimensions": [{"name": "gender", "label": "Płeć", "shares": [{"label": "Kobieta", "share": 0.522}]}],
        "cross_tabs": [{"dimensions": ["gender", "age"]}],
        "sources": [
            {"title": "Census", "publisher": "GUS", "year": 2023, "table": None, "url": None, "note": "Rounded."}
        ],
    }
    view = prepare_audience(audience)
    assert view.sources == ("GUS (2023): Census. Rounded.",)
    assert titles_of(audience) == {"gender": "Płeć (gender)"}
    assert prepare_audience(audience | {"respondents": {"rows": [[], []]}}).about == ("Poland", "2 respondents")
    show_audience(screen, view)
    assert "52.2 %" in shown(screen)
    assert "Cross-tabs: gender x age" in shown(screen)


def test_audiences_are_named_by_slug_or_id() -> None:
    """Those of the catalogue have a slug, those kept an id."""
    rows = prepare_audiences(
        [
            {"slug": "gen-z", "name": "Gen Z", "dimensions": ["age"], "description": "Young"},
            {"id": "1", "name": "Mine", "dimensions": ["age", "x"]},
        ]
    )
    assert rows == [["gen-z", "Gen Z", "age", "Young"], ["1", "Mine", "age, x", ""]]
