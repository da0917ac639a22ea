"""Tests of sending a statement in one round trip."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pg8000.core import _flush
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from common.database import pipelining


def test_a_statement_waits_once(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a statement needs is sent before its answer is read."""
    waits = 0

    def counted(sock: Any) -> None:
        nonlocal waits
        waits += 1
        _flush(sock)

    with empty_engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        monkeypatch.setattr(pipelining, "_flush", counted)
        assert connection.execute(text("SELECT CAST(:a AS int) + 1"), {"a": 1}).scalar_one() == 2
        assert waits == 1


def test_values_of_every_kind_come_back(empty_engine: Engine) -> None:
    """Parameters keep their types, and rows are read by theirs."""
    values = {"n": None, "t": "zażółć", "b": b"\x00\xff", "a": [1, 2], "u": UUID(int=7)}
    statement = text("SELECT CAST(:n AS int), CAST(:t AS text), CAST(:b AS bytea), CAST(:a AS int[]), CAST(:u AS uuid)")
    with empty_engine.connect() as connection:
        assert tuple(connection.execute(statement, values).one()) == tuple(values.values())


def test_large_values_and_many_rows_pass(empty_engine: Engine) -> None:
    """Neither side waits for the other, however much there is to say."""
    with empty_engine.connect() as connection:
        long = connection.execute(text("SELECT repeat(:x, 2)"), {"x": "x" * 3_000_000}).scalar_one()
        rows = connection.execute(text("SELECT n, repeat('x', 100) FROM generate_series(1, :n) n"), {"n": 20_000}).all()
    assert (len(long), len(rows)) == (6_000_000, 20_000)


def test_rows_written_are_counted(empty_engine: Engine) -> None:
    """A statement without rows says how many it changed."""
    with empty_engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (n int)"))
        inserted = connection.execute(text("INSERT INTO notes SELECT generate_series(1, :n)"), {"n": 3})
        deleted = connection.execute(text("DELETE FROM notes WHERE n > :n"), {"n": 1})
    assert (inserted.rowcount, deleted.rowcount) == (3, 2)


@pytest.mark.parametrize(
    "statement", ["SELECT :n FROM nowhere", "SELECT 1 / CAST(:n AS int)", "SELECT CAST(CAST(:n AS text) || 'x' AS int)"]
)
def test_a_failure_leaves_the_connection_in_step(empty_engine: Engine, statement: str) -> None:
    """Wherever a statement fails, its transaction can be rolled back and the connection used again."""
    with empty_engine.connect() as connection:
        with pytest.raises(DBAPIError):
            connection.execute(text(statement), {"n": 0})
        connection.rollback()
        assert connection.execute(text("SELECT CAST(:n AS int)"), {"n": 5}).scalar_one() == 5


def test_a_broken_rule_is_told_apart(empty_engine: Engine) -> None:
    """A repeated key is an IntegrityError, as everywhere."""
    with empty_engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (n int PRIMARY KEY)"))
        connection.execute(text("INSERT INTO notes VALUES (:n)"), {"n": 1})
    with pytest.raises(IntegrityError), empty_engine.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (:n)"), {"n": 1})


def test_a_value_that_cannot_be_sent_spoils_nothing(empty_engine: Engine) -> None:
    """What was already written to a connection that then failed is not sent with the next statement."""
    with pytest.raises(UnicodeEncodeError), empty_engine.connect() as connection:
        connection.execute(text("SELECT CAST(:x AS text)"), {"x": "\ud800"})
    with empty_engine.connect() as connection:
        assert connection.execute(text("SELECT CAST(:x AS text)"), {"x": "fine"}).scalar_one() == "fine"
