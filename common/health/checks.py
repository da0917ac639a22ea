"""The question put to each dependency, on a connection of its own that is closed after it.

What is made here asks it: drivers are imported when it is made, for that is no time of the dependency. It ends by
itself even when nobody answers, and raises whatever its driver raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.health.probe import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

PATIENCE_SECONDS = LIMIT_SECONDS * 1.5
"""How long drivers wait for an answer. It is over the limit of a check, so that one that hangs is told by that."""


def database_check(engine: Engine) -> Callable[[], None]:
    """Connects to Postgres and asks `SELECT 1`. The engine is one whose answers have a time limit."""

    def check() -> None:
        _ask(engine, "SELECT 1")

    return check


def migration_check(engine: Engine) -> Callable[[], str | None]:
    """Reads the newest migration of the database, None where there is none."""

    def check() -> str | None:
        ((there,),) = _ask(engine, "SELECT to_regclass('alembic_version') IS NOT NULL")
        rows = _ask(engine, "SELECT version_num FROM alembic_version") if there else []
        return str(rows[0][0]) if rows else None

    return check


def redis_check(url: str) -> Callable[[], None]:
    """Connects to Redis and sends PING."""
    from common.cache.redis import connect

    def check() -> None:
        client = connect(url, timeout=PATIENCE_SECONDS)
        try:
            client.ping()
        finally:
            client.close()

    return check


def neo4j_check(url: str, user: str, password: str) -> Callable[[], None]:
    """Connects to Neo4j, logs in, and has it answer."""
    from neo4j import GraphDatabase

    def check() -> None:
        with GraphDatabase.driver(
            url,
            auth=(user, password),
            connection_timeout=PATIENCE_SECONDS,
            connection_write_timeout=PATIENCE_SECONDS,
            connection_acquisition_timeout=PATIENCE_SECONDS,
            max_connection_pool_size=1,
            telemetry_disabled=True,
        ) as driver:
            driver.verify_connectivity()

    return check


def _ask(engine: Engine, question: str) -> list[Any]:
    connection = engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        driver.autocommit = True
        cursor = driver.cursor()
        cursor.execute(question)
        return list(cursor.fetchall())
    finally:
        connection.invalidate()  # closes it: a connection that is kept would be one more for every instance
