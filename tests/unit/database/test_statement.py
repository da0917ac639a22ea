"""Tests of how named parameters become numbered ones; tests/integration/database runs them."""

from __future__ import annotations

from uuid import UUID

import pytest

from common.database.statement import _as_text, _positional


@pytest.mark.parametrize(
    ("statement", "positional", "names"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("SELECT :a::int", "SELECT $1::int", ("a",)),
        ("SELECT now()::date, x::text[]", "SELECT now()::date, x::text[]", ()),
        ("SELECT CAST(:item_id AS uuid)", "SELECT CAST($1 AS uuid)", ("item_id",)),
        ("SELECT x[1:2], x[:n]", "SELECT x[1:2], x[$1]", ("n",)),
        ("SELECT :e_1 || :e_10 || :e", "SELECT $1 || $2 || $3", ("e_1", "e_10", "e")),
        ("SELECT 1", "SELECT 1", ()),
    ],
)
def test_names_become_numbers(statement: str, positional: str, names: tuple[str, ...]) -> None:
    """A name has one number however often it stands there, and casts by `::` stay what they are."""
    assert _positional(statement) == (positional, names)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.25, "0.25"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_values_travel_as_text(value: object, text: str | None) -> None:
    """Each is written as Postgres reads it, and NULL stays NULL."""
    assert _as_text(value) == text
