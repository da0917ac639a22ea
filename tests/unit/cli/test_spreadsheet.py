"""Tests of CSV for spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.spreadsheet import harmless, to_csv

FORMULA_STARTS = "=+-@\t\r\n＝＋－＠"
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]))
NASTY = st.text(st.sampled_from(list("=+-@\t\r\n;,\"' ａ＝a1ł")))


def read(text: str, delimiter: str = ",") -> list[list[str]]:
    """The cells of CSV as a reader sees them."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", '=HYPERLINK("http://x")', '"=1'])
def test_formulas_become_text(text: str) -> None:
    """Whatever begins like a formula gets an apostrophe before it."""
    assert read(to_csv(["a"], [[text]]))[1] == ["'" + text]


def test_numbers_stay_numbers() -> None:
    """A negative number is a number, not a formula."""
    assert to_csv(["a", "b", "c"], [[-0.5, 3, None]]) == '"a","b","c"\r\n-0.5,3,""\r\n'


@given(NASTY | ANYTHING)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    """No text leaves a cell that a spreadsheet runs."""
    [[cell]] = read(to_csv(["a"], [[text]]))[1:] or [[""]]
    assert not cell.startswith(tuple(FORMULA_STARTS))
    assert not cell.strip().startswith(tuple("=+-@"))


@given(NASTY, NASTY)
def test_no_cell_begins_like_a_formula_where_semicolons_divide_cells(first: str, second: str) -> None:
    """Opened with another delimiter, the file has other cells, and none of them is run either."""
    for delimiter in ";\t":
        for row in read(to_csv(["a", "b"], [[first, second]]), delimiter):
            assert not any(cell.strip(' "').startswith(tuple("=+-@")) for cell in row)


@given(st.lists(st.lists(ANYTHING, min_size=2, max_size=2), max_size=4))
def test_text_comes_back_but_for_apostrophes(rows: list[list[str]]) -> None:
    """Quoting loses nothing: delimiters, quotes and line ends inside a cell stay in it."""
    expected = [[harmless(cell) for cell in row] for row in rows]
    assert read(to_csv(["a", "b"], rows))[1:] == expected


@given(st.text(st.characters(categories=["L", "N"])))
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Words are not touched, in any alphabet."""
    assert harmless(text) == text
