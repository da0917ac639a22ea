"""Tests of where output goes and what it is made of."""

from __future__ import annotations

import io
import json

import pytest

from cli.screen import ASCII, Symbols, nearest, open_screen
from cli.views.tables import show_table


def test_json_is_all_there_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages go to stderr, results to stdout."""
    screen = open_screen()
    screen.note("on the way")
    screen.json({"a": "ł [bold]x[/bold]"})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": "ł [bold]x[/bold]"}
    assert err == "on the way\n"


def test_there_are_no_colour_codes_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What is piped is plain text."""
    open_screen().out.print("[bold red]x[/bold red]")
    assert capsys.readouterr().out == "x\n"


def test_tables_end_their_lines_where_the_text_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """What is piped has no spaces at the ends of lines."""
    show_table(open_screen(), ("name", "longer heading"), [["a", "b"], ["c", ""]], empty="")
    assert not any(line != line.rstrip() for line in capsys.readouterr().out.splitlines())


def test_ascii_output_has_the_nearest_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where letters cannot be shown the nearest are, and symbols have forms of their own."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    screen = open_screen(notes_with_results=True)
    screen.out.print(f"Łódź “zażółć” 中 {screen.symbols.good}")
    screen.json("ł")
    screen.out.file.flush()
    assert raw.getvalue().decode() == 'Lodz "zazolc" ? ok\n"\\u0142"\n'
    assert screen.symbols is ASCII


def test_every_symbol_has_an_ascii_form() -> None:
    """The two sets have the same signs, and one of them is ASCII."""
    assert all(getattr(ASCII, name).isascii() for name in Symbols.__slots__)


def test_nearest_keeps_ascii() -> None:
    """Only what is not ASCII changes."""
    assert nearest("a-b=c é") == "a-b=c e"
