"""Migrations on a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine, inspect, text

from common.database.migrate import downgrade, drift, head, upgrade
from common.database.registry import metadata


def tables(engine: Engine) -> set[str]:
    """The tables and views there are, but for Alembic's own."""
    with engine.connect() as connection:
        inspector = inspect(connection)
        return {*inspector.get_table_names(), *inspector.get_view_names()} - {"alembic_version"}


def version(connection: Connection) -> str | None:
    """The migration the database is at."""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def test_migrations_go_up_down_and_up_again(empty_engine: Engine) -> None:
    """Going down leaves nothing behind, and going up again meets nothing that hinders it."""
    upgrade(empty_engine)
    made = tables(empty_engine)
    assert set(metadata.tables) <= made
    downgrade(empty_engine, "base")
    assert tables(empty_engine) == set()
    with empty_engine.connect() as connection:
        assert version(connection) is None
        assert drift(connection) != []
    upgrade(empty_engine)
    assert tables(empty_engine) == made
    with empty_engine.connect() as connection:
        assert version(connection) == head()


def test_tables_and_migrations_do_not_drift(engine: Engine) -> None:
    """What the migrations make is what the code says, in every column, type, index and constraint."""
    with engine.connect() as connection:
        assert drift(connection) == []


def test_drift_is_seen(engine: Engine) -> None:
    """A column more, one less, another type or a lost index: each is named."""
    for change in (
        "ALTER TABLE projects ADD COLUMN colour text",
        "ALTER TABLE outbox DROP COLUMN ordering_key",
        "ALTER TABLE dead_letters ALTER COLUMN attempts TYPE bigint",
        "DROP INDEX ix_outbox_created_at",
    ):
        with engine.connect() as connection:
            connection.execute(text(change))
            assert drift(connection) != [], change
            connection.rollback()


def test_a_migrated_database_is_left_alone(engine: Engine) -> None:
    """Whoever starts later finds everything done."""
    before = tables(engine)
    upgrade(engine)
    assert tables(engine) == before


def test_processes_that_start_at_once_migrate_once(empty_engine: Engine) -> None:
    """One migrates while the others wait, and then find it done."""
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(upgrade, empty_engine) for _ in range(3)]:
            done.result()
    with empty_engine.connect() as connection:
        assert version(connection) == head()
        assert drift(connection) == []
