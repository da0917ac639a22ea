"""Tests of statements that need one round trip."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from common.database.engine import autocommit, connect
from common.database.prepared import run


def test_yields_rows_and_binds_parameters(empty_engine: Engine) -> None:
    """Parameters reach the statement as data, and rows come back as Postgres types."""
    statement = "SELECT CAST($1 AS int) + 1, $2 || '!', CAST($3 AS text)"
    assert run(empty_engine, statement, "41", "'; DROP", None) == [[42, "'; DROP!", None]]
    assert run(empty_engine, statement, "1", "again", "x") == [[2, "again!", "x"]]


def test_a_statement_is_its_own_transaction(empty_engine: Engine) -> None:
    """What a statement wrote is there for every other connection at once."""
    assert run(empty_engine, "CREATE TABLE notes (body text)") == []
    run(empty_engine, "INSERT INTO notes VALUES ($1)", "kept")
    with empty_engine.connect() as connection:
        assert connection.execute(text("SELECT body FROM notes")).scalar() == "kept"


def test_a_failed_statement_leaves_the_pool_usable(empty_engine: Engine) -> None:
    """A failure raises a database error and costs only its own connection."""
    with pytest.raises(DBAPIError) as failed:
        run(empty_engine, "SELECT 1 / CAST($1 AS int)", "0")
    assert not failed.value.connection_invalidated
    assert run(empty_engine, "SELECT 1") == [[1]]


def test_a_lost_connection_is_told_from_a_failed_statement(empty_engine: Engine, empty_database_url: str) -> None:
    """When the server ends the connection the error says so, and the next statement gets a new one."""
    engine = connect(empty_database_url, pool_size=1)
    ((backend,),) = run(engine, "SELECT pg_backend_pid()")
    run(empty_engine, "SELECT pg_terminate_backend(CAST($1 AS int), 5000)", str(backend))
    with pytest.raises(DBAPIError) as lost:
        run(engine, "SELECT 1")
    assert lost.value.connection_invalidated
    assert run(engine, "SELECT 1") == [[1]]
    engine.dispose()


def test_autocommit_ends_with_its_connection(empty_engine: Engine) -> None:
    """A connection in autocommit keeps each statement, and the next user of it has transactions again."""
    with autocommit(empty_engine) as connection:
        connection.execute(text("CREATE TABLE notes (body text)"))
    with empty_engine.connect() as connection:
        connection.execute(text("INSERT INTO notes VALUES ('rolled back')"))
        connection.rollback()
        assert connection.execute(text("SELECT count(*) FROM notes")).scalar() == 0
