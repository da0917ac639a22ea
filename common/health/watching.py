"""Says what a process watches, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.health import checks
from common.health.probe import Probe
from common.health.service import Vitals

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.settings import Settings


def watch(settings: Settings, engine: Engine | None) -> Vitals:
    """Watches the database behind `engine`, whose answers are to have a time limit, and those of Redis and Neo4j
    that are configured."""
    database = migration = redis = neo4j = None
    if engine is not None:
        database = Probe("database", checks.database_check(engine))
        migration = Probe("migration", checks.migration_check(engine))
    if settings.redis_url:
        redis = Probe("redis", checks.redis_check(settings.redis_url.get_secret_value()))
    if settings.neo4j_url:
        password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else ""
        neo4j = Probe("neo4j", checks.neo4j_check(settings.neo4j_url, settings.neo4j_user, password))
    return Vitals(settings.environment, settings.revision, database, redis, neo4j, migration)
