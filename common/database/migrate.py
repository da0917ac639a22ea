"""Brings a database's schema to the newest migration, once however many processes try."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from common.database.registry import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
LOCK = 0x5167_6874
"""The advisory lock under which the schema changes."""


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Migrates up to `revision`."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Migrates down to `revision` (`base` removes everything)."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        command.downgrade(_config(connection), revision)


def head() -> str:
    """The newest migration there is."""
    found = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if found is None:
        raise RuntimeError("there are no migrations")
    return found


def drift(connection: Connection) -> list[object]:
    """What differs between the tables in code and those in the database; empty when nothing does."""
    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "include_name": lambda name, kind, _: kind != "schema" or name is None},
    )
    return list(compare_metadata(context, metadata))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
