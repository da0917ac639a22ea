"""Brings a database's schema to the newest migration, once however many processes try."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
    return _known()[0]


def standing(current: str | None) -> Literal["current", "pending", "ahead"]:
    """How a database whose newest migration is `current` stands to this code: `ahead` is one that was migrated by
    newer code."""
    newest, *older = _known()
    if current == newest:
        return "current"
    return "pending" if current is None or current in older else "ahead"


@cache
def _known() -> tuple[str, ...]:
    """All migrations, the newest first."""
    return tuple(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


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
