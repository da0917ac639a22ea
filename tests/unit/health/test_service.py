"""Tests of what the checks come to."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Literal

import pytest

from common.database import migrate
from common.health.models import DependencyCheck
from common.health.probe import Probe
from common.health.service import Vitals, WarmUp, readiness
from common.shutdown import PROCESS
from tests.fixtures.eventually import eventually

Kind = Literal["up", "down", "disabled"]


def refuse() -> None:
    """A dependency that is down."""
    raise ConnectionRefusedError("10.0.0.7:5432")


def probe(kind: Kind) -> Probe[None] | None:
    """A probe that finds this."""
    checks: dict[Kind, Callable[[], None]] = {"up": lambda: None, "down": refuse}
    return None if kind == "disabled" else Probe(kind, checks[kind])


def vitals(
    database: Kind = "up", redis: Kind = "up", neo4j: Kind = "up", migration: Callable[[], str | None] = migrate.head
) -> Vitals:
    """A process whose dependencies fare like this."""
    return Vitals("staging", "api-00042", probe(database), probe(redis), probe(neo4j), Probe("migration", migration))


def expected(database: Kind, redis: Kind, neo4j: Kind) -> str:
    """What the specification says."""
    if database != "up" or (redis == neo4j == "down"):
        return "unhealthy"
    return "degraded" if "down" in (redis, neo4j) else "healthy"


@pytest.mark.parametrize(("database", "redis", "neo4j"), list(itertools.product(["up", "down", "disabled"], repeat=3)))
def test_the_status_follows_from_the_checks(database: Kind, redis: Kind, neo4j: Kind) -> None:
    """Without the database, or with two down, nothing works; with one less it works on. Not configured is as good
    as up, but for the database."""
    found = vitals(database, redis, neo4j).health()
    assert found.status == expected(database, redis, neo4j)
    assert found.ok == (found.status != "unhealthy")
    assert (found.environment, found.revision) == ("staging", "api-00042")
    told = {name: check.status for name, check in found.checks}
    assert told == {"database": "up" if database == "up" else "down", "redis": redis, "neo4j": neo4j}


def test_each_check_says_what_it_took_or_why_it_is_down() -> None:
    """Up has a latency, down a reason, disabled neither; the whole took as long as the slowest."""
    found = vitals("up", "down", "disabled").health()
    database, redis = found.checks.database, found.checks.redis
    assert database.latency_ms is not None
    assert database.error is None
    assert (redis.error, redis.latency_ms is None) == ("refused", False)
    assert found.checks.neo4j == DependencyCheck(status="disabled", latency_ms=None, error=None)
    assert found.latency_total_ms >= database.latency_ms


def test_a_process_without_a_database_says_so() -> None:
    """Nothing works without it, so that it is not configured is a fault."""
    assert vitals("disabled").health().checks.database.error == "not configured"


def test_dependencies_are_asked_side_by_side() -> None:
    """Each check waits for the others to begin: one after the other, none would ever end."""
    together = threading.Barrier(3)

    def check() -> None:
        together.wait(timeout=30)

    found = Vitals("development", "local", Probe("a", check), Probe("b", check), Probe("c", check), None).health()
    assert found.status == "healthy"


@pytest.mark.parametrize(
    ("current", "standing", "started"),
    [
        (migrate.head(), "current", "started"),
        (None, "pending", "not_started"),
        ("0001", "pending", "not_started"),
        ("9999", "ahead", "started"),
    ],
)
def test_an_instance_starts_on_its_migrations_or_newer_ones(current: str | None, standing: str, started: str) -> None:
    """Migrations only add, so that code works with those of newer code, and not without its own."""
    found = vitals(migration=lambda: current).startup()
    assert (found.migrations.status, found.migrations.current, found.status) == (standing, current, started)
    assert found.migrations.expected == migrate.head()
    assert found.ok == (started == "started")


@pytest.mark.parametrize("database", ["down", "disabled"])
def test_an_instance_does_not_start_without_the_database(database: Kind) -> None:
    """Nobody asks a database that is down for its migrations."""
    found = vitals(database, migration=lambda: pytest.fail("asked")).startup()
    assert (found.status, found.migrations.status, found.migrations.current) == ("not_started", "unknown", None)


def test_an_instance_starts_without_redis_and_neo4j() -> None:
    """They are worth a slower start of nothing."""
    found = vitals("up", "down", "down").startup()
    assert found.ok
    assert (found.connections.redis.error, found.connections.neo4j.error) == ("refused", "refused")


def test_an_instance_is_ready_once_it_is_warm() -> None:
    """Who asks while it warms up is told that it does, and is not kept waiting."""
    warm = threading.Event()

    def work() -> None:
        assert warm.wait(30)

    warm_up = WarmUp(work)
    first = threading.Thread(target=warm_up.done)
    first.start()
    eventually(lambda: warm_up._busy.locked())
    assert readiness(warm_up).checks.model_dump() == {"accepting": True, "settings": True, "warmed": False}
    warm.set()
    first.join()
    found = readiness(warm_up)
    assert (found.ok, found.status) == (True, "ready")


def test_warming_up_that_failed_is_tried_again() -> None:
    """An instance that could not be wired is not ready, until it can be."""
    outcomes = iter([ValueError("no key"), None])

    def work() -> None:
        failure = next(outcomes)
        if failure:
            raise failure

    warm_up = WarmUp(work)
    assert [readiness(warm_up).ok for _ in range(3)] == [False, True, True]


def test_an_instance_without_valid_settings_is_not_ready() -> None:
    """It says that it is the settings, and nothing of what is in them."""
    found = readiness(None)
    assert (found.ok, found.checks.settings) == (False, False)


def test_an_instance_that_ends_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to end, it says so to whoever still asks."""
    assert readiness(WarmUp(lambda: None)).ok
    monkeypatch.setattr(PROCESS, "_begun_at", 0.0)
    found = readiness(WarmUp(lambda: None))
    assert (found.status, found.checks.accepting) == ("not_ready", False)
