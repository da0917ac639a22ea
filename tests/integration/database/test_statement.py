"""Prepared statements with named parameters on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.database import engine as engines
from common.database.engine import connect
from common.database.statement import run


@pytest.fixture
def single(empty_database_url: str) -> Iterator[Engine]:
    """An engine with one connection, so that every statement meets the one before it."""
    engine = connect(empty_database_url, pool_size=1)
    yield engine
    engine.dispose()


def test_values_arrive_as_what_they_are_cast_to(single: Engine) -> None:
    """Numbers, booleans, ids, JSON and NULL go in as text and come out as Postgres types."""
    found = run(
        single,
        "SELECT CAST(:n AS int) + 1, CAST(:yes AS boolean), CAST(:id AS uuid), CAST(:spec AS jsonb),"
        " CAST(:none AS text), :n::bigint * 2, :text || '', '12:30'::time::text",
        {"n": 41, "yes": True, "id": UUID(int=7), "spec": json.dumps({"a": ["ł"]}), "none": None, "text": "'; DROP"},
    )
    assert found == [[42, True, UUID(int=7), {"a": ["ł"]}, None, 82, "'; DROP", "12:30:00"]]


def test_parameters_the_statement_does_not_name_are_ignored(single: Engine) -> None:
    """Parameters may be those of several statements, but none that is named may be missing."""
    assert run(single, "SELECT CAST(:a AS int)", {"a": 1, "b": object()}) == [[1]]
    with pytest.raises(KeyError, match="a"):
        run(single, "SELECT CAST(:a AS int)", {"b": 1})


def test_a_statement_is_prepared_once_for_its_connection(single: Engine) -> None:
    """The second run finds it; each is a transaction of its own."""
    for n in (1, 2):
        assert run(single, "SELECT CAST(:n AS int)", {"n": n}) == [[n]]
    counting = "SELECT count(*) FROM pg_prepared_statements WHERE statement = :statement"
    assert run(single, counting, {"statement": "SELECT CAST($1 AS int)"}) == [[1]]


def test_after_the_server_dropped_the_connection_statements_are_prepared_anew(
    single: Engine, empty_engine: Engine
) -> None:
    """The statement that meets the dead connection says that it was lost; the next one works."""
    statement = "SELECT CAST(:n AS int)"
    assert run(single, statement, {"n": 1}) == [[1]]
    drop(single, empty_engine)
    with pytest.raises(DBAPIError) as lost:
        run(single, statement, {"n": 2})
    assert lost.value.connection_invalidated
    assert run(single, statement, {"n": 3}) == [[3]]


def test_a_rested_connection_is_tested_first(
    single: Engine, empty_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that died while it rested is replaced, and nobody notices."""
    statement = "SELECT CAST(:n AS int)"
    assert run(single, statement, {"n": 1}) == [[1]]
    drop(single, empty_engine)
    monkeypatch.setattr(engines, "RESTED_SECONDS", 0.0)
    assert run(single, statement, {"n": 2}) == [[2]]


def test_a_server_that_is_not_there_is_a_database_error() -> None:
    """Connecting to nothing raises what every caller handles."""
    engine = connect("postgresql://sight@/sight?host=/nowhere", pool_size=1)
    with pytest.raises(DBAPIError) as refused:
        run(engine, "SELECT 1", {})
    assert refused.value.connection_invalidated
    engine.dispose()


def test_a_pool_that_stays_empty_says_so(single: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no connection beyond the pool: whoever finds none waits, and then gives up."""
    monkeypatch.setattr(single.pool, "_timeout", 0.01)
    with single.connect():
        with pytest.raises(PoolTimeout):
            run(single, "SELECT 1", {})
    assert run(single, "SELECT 1", {}) == [[1]]


def drop(engine: Engine, other: Engine) -> None:
    """Has the server end the connection of `engine`, which does not learn of it."""
    ((backend,),) = run(engine, "SELECT pg_backend_pid()", {})
    assert run(other, "SELECT pg_terminate_backend(CAST(:pid AS int), 5000)", {"pid": backend}) == [[True]]
