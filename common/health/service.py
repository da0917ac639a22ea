"""Puts together what is told about this process: its health, its readiness, its start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from common.health.models import (
    DependencyCheck,
    DependencyChecks,
    Health,
    InstanceChecks,
    Migrations,
    Readiness,
    Startup,
)
from common.health.probe import Outcome, Probe
from common.health.reasons import NOT_CONFIGURED
from common.shutdown import shutting_down

log = structlog.get_logger()

DISABLED = DependencyCheck(status="disabled", latency_ms=None, error=None)
NO_DATABASE = DependencyCheck(status="down", latency_ms=None, error=NOT_CONFIGURED)
"""Sight works without Redis and without Neo4j, and not at all without its database."""


class WarmUp:
    """Does once what the first request would have to wait for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._busy = threading.Lock()
        self._done = False

    def done(self) -> bool:
        """Whether it is done. It is begun by the first to ask; those who ask meanwhile are not kept waiting. What
        failed is tried again."""
        if not self._done and self._busy.acquire(blocking=False):
            try:
                self._work()
                self._done = True
            except Exception:
                log.exception("warm_up_failed")
            finally:
                self._busy.release()
        return self._done


@dataclass(frozen=True)
class Vitals:
    """How what this process depends on is doing. A dependency without a probe is not configured."""

    environment: str
    revision: str
    database: Probe[None] | None
    redis: Probe[None] | None
    neo4j: Probe[None] | None
    migration: Probe[str | None] | None

    def health(self) -> Health:
        """Asks all dependencies at the same time and waits for the slowest, or for its time limit."""
        began = time.monotonic()
        checks = self._ask()
        return Health(
            status=status_of(checks),
            environment=self.environment,
            revision=self.revision,
            checks=checks,
            latency_total_ms=_milliseconds_since(began),
        )

    def startup(self) -> Startup:
        """Asks as `health` does, and then the database for its migrations."""
        began = time.monotonic()
        connections = self._ask()
        up = connections.database.status == "up"
        migrations = _migrations(self.migration.begin()() if self.migration and up else None)
        started = up and migrations.status in ("current", "ahead")
        return Startup(
            status="started" if started else "not_started",
            environment=self.environment,
            revision=self.revision,
            connections=connections,
            migrations=migrations,
            latency_total_ms=_milliseconds_since(began),
        )

    def _ask(self) -> DependencyChecks:
        database, redis, neo4j = (probe.begin() if probe else None for probe in (self.database, self.redis, self.neo4j))
        return DependencyChecks(
            database=_check(database, NO_DATABASE), redis=_check(redis, DISABLED), neo4j=_check(neo4j, DISABLED)
        )


def status_of(checks: DependencyChecks) -> Literal["healthy", "degraded", "unhealthy"]:
    """What the checks come to: nobody works without the database, nor with two dependencies down."""
    down = [name for name, check in checks if check.status == "down"]
    if not down:
        return "healthy"
    return "unhealthy" if "database" in down or len(down) > 1 else "degraded"


def readiness(warm_up: WarmUp | None) -> Readiness:
    """Asks nobody but this process; without a `warm_up` its settings are not valid."""
    checks = InstanceChecks(
        accepting=not shutting_down(),
        settings=warm_up is not None,
        warmed=warm_up is not None and warm_up.done(),
    )
    return Readiness(status="ready" if all(passed for _, passed in checks) else "not_ready", checks=checks)


def _check(begun: Callable[[], Outcome[None]] | None, absent: DependencyCheck) -> DependencyCheck:
    if begun is None:
        return absent
    outcome = begun()
    status: Literal["up", "down"] = "down" if outcome.error else "up"
    return DependencyCheck(status=status, latency_ms=outcome.latency_ms, error=outcome.error)


def _migrations(found: Outcome[str | None] | None) -> Migrations:
    # The migrations are read with Alembic, which takes longer to import than all of a cold start.
    from common.database import migrate

    expected = migrate.head()
    if found is None or found.error:
        return Migrations(status="unknown", current=None, expected=expected)
    return Migrations(status=migrate.standing(found.value), current=found.value, expected=expected)


def _milliseconds_since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
