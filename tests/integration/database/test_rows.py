"""Many rows in one statement."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from common.database.rows import insert_rows
from common.text import storable

COLUMNS = {"id": "uuid", "body": "text", "payload": "jsonb", "size": "int"}


@pytest.fixture
def notes(empty_engine: Engine) -> Engine:
    """A database with a table of notes."""
    with empty_engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id uuid PRIMARY KEY, body text, payload jsonb, size int)"))
    return empty_engine


def insert(engine: Engine, rows: list[tuple[Any, ...]], **options: str) -> int:
    """Inserts notes and returns how many were written."""
    with engine.begin() as connection:
        return insert_rows(connection, "notes", COLUMNS, rows, **options)


def kept(engine: Engine) -> list[tuple[Any, ...]]:
    """The notes there are."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, body, payload, size FROM notes ORDER BY id"))
        return [tuple(row) for row in rows]


def test_rows_come_back_as_they_went_in(notes: Engine) -> None:
    """Quotes, colons, percent signs, letters of any script, nested JSON and NULL."""
    rows: list[tuple[Any, ...]] = [
        (UUID(int=1), 'it\'s :name %s {x} \\ "q" Zażółć 🙂', {"a": [1, {"b": None}], "ł": "'"}, 7),
        (UUID(int=2), None, [], None),
        (UUID(int=3), "", {}, -1),
    ]
    assert insert(notes, rows) == 3
    assert kept(notes) == rows


def test_however_many_rows_it_is_one_statement(notes: Engine) -> None:
    """A thousand rows cost one round trip, as do two."""
    statements: list[str] = []
    event.listen(notes, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement))
    assert insert(notes, [(UUID(int=n), str(n), {}, n) for n in range(1000)]) == 1000
    assert insert(notes, [(UUID(int=n), str(n), {}, n) for n in range(1000, 1002)]) == 2
    assert len(statements) == 2
    assert statements[0] == statements[1]


def test_no_rows_are_no_statement(notes: Engine) -> None:
    """Nothing to write asks nothing of the database."""
    statements: list[str] = []
    event.listen(notes, "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement))
    assert insert(notes, []) == 0
    assert statements == []


def test_a_conflict_is_what_the_clause_says(notes: Engine) -> None:
    """Rows that are there already are passed over, updated, or an error, and only what was written counts."""
    first, second, changed = (
        (UUID(int=n), body, {"n": n}, n) for n, body in ((1, "first"), (2, "second"), (1, "changed"))
    )
    insert(notes, [first])
    assert insert(notes, [changed, second], on_conflict="ON CONFLICT DO NOTHING") == 1
    assert kept(notes) == [first, second]
    assert insert(notes, [changed], on_conflict="ON CONFLICT (id) DO UPDATE SET body = excluded.body") == 1
    assert kept(notes) == [changed, second]
    with pytest.raises(DBAPIError):
        insert(notes, [(UUID(int=3), "", {}, 3), first])
    assert kept(notes) == [changed, second]


def test_a_row_of_the_wrong_length_is_refused(notes: Engine) -> None:
    """A value too few would shift the others."""
    with pytest.raises(ValueError, match="argument"):
        insert(notes, [(UUID(int=1), "short")])


def test_what_postgres_cannot_store_is_replaced_where_it_enters(notes: Engine) -> None:
    """NUL and lone surrogates are refused by the database in any row; text made storable is kept."""
    bad = "a\x00b\ud800"
    for refused in ("\x00", "\ud800"):
        with pytest.raises((DBAPIError, UnicodeEncodeError)):
            insert(notes, [(UUID(int=1), refused, {}, 0)])
    insert(notes, [(UUID(int=1), storable(bad), storable({bad: [bad]}), 0)])
    good = "a\ufffdb\ufffd"
    assert kept(notes) == [(UUID(int=1), good, {good: [good]}, 0)]
