"""Health on real servers that are killed, hang, or refuse the password."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from common.bootstrap import Services
from common.database import migrate
from common.health.models import Health, Startup
from common.health.service import Vitals
from common.settings import Settings
from local import neo4j, postgres, redis
from local.neo4j import Neo4j
from tests.fixtures.eventually import eventually
from tests.fixtures.silent import SilentServer

PASSWORD = "hunter2-in-no-answer"
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """pg8000 leaves the sockets of connections that never came about to the collector."""
    yield
    gc.collect()


def services(**settings: Any) -> Services:
    """The services of these settings alone; those of servers are given by the names in the environment."""
    return Services(Settings(_env_file=None, **{"llm": "simulated", **settings}))


def vitals(**settings: Any) -> Vitals:
    """What a process with these settings tells of its dependencies."""
    return services(**settings).vitals


def on_neo4j(server: Neo4j, password: str | None = None) -> dict[str, Any]:
    """The settings that name this server."""
    return {
        "NEO4J_URL": server.url,
        "NEO4J_USER": server.user,
        "NEO4J_PASSWORD": SecretStr(password or server.password),
    }


def becomes(vitals: Vitals, status: str) -> Health:
    """The health of a process as soon as it has this status."""
    eventually(lambda: vitals.health().status == status, within=60)
    return vitals.health()


def started(vitals: Vitals) -> Startup:
    """The start of a process as soon as its database has been asked."""
    eventually(lambda: vitals.startup().migrations.status != "unknown")
    return vitals.startup()


def statuses(health: Health) -> dict[str, str]:
    """What is up and what is not."""
    return {name: check.status for name, check in health.checks}


def threads(name: str) -> int:
    """How many threads check a dependency."""

    return sum(thread.name == f"health-{name}" for thread in threading.enumerate())


def test_all_servers_answer(database_url: str, redis_url: str, neo4j_server: Neo4j) -> None:
    """With all of them up a process is healthy, and each says what connecting took."""
    found = becomes(vitals(DATABASE_URL=database_url, REDIS_URL=redis_url, **on_neo4j(neo4j_server)), "healthy")
    assert statuses(found) == {"database": "up", "redis": "up", "neo4j": "up"}
    assert all(check.latency_ms is not None and check.error is None for _, check in found.checks)


def test_a_server_that_is_killed_is_refused(tmp_path: Path, neo4j_installed: None) -> None:
    """Each is seen to be down after kill -9, and up again when it is."""
    graph = neo4j.start(tmp_path / "neo4j")
    database_url, redis_url = postgres.start(tmp_path / "postgres", durable=False), redis.start(tmp_path / "redis")
    watched = vitals(DATABASE_URL=database_url, REDIS_URL=redis_url, **on_neo4j(graph))
    becomes(watched, "healthy")
    os.kill(graph.pid, signal.SIGKILL)
    assert becomes(watched, "degraded").checks.neo4j.error == "refused"
    os.kill(redis.running(tmp_path / "redis") or 0, signal.SIGKILL)
    assert becomes(watched, "unhealthy").checks.redis.error == "refused"
    redis.start(tmp_path / "redis")
    becomes(watched, "degraded")
    os.kill(postgres.running(tmp_path / "postgres") or 0, signal.SIGKILL)
    assert becomes(watched, "unhealthy").checks.database.status == "down"
    postgres.start(tmp_path / "postgres", durable=False)
    becomes(watched, "degraded")
    redis.stop(tmp_path / "redis")
    postgres.stop(tmp_path / "postgres")


@pytest.mark.soak
def test_neo4j_that_was_killed_comes_back(tmp_path: Path, neo4j_installed: None) -> None:
    """Started again on its data, it is up, with the password it had."""
    graph = neo4j.start(tmp_path)
    watched = vitals(**on_neo4j(graph))
    assert becomes(watched, "unhealthy").checks.neo4j.status == "up"
    os.kill(graph.pid, signal.SIGKILL)
    eventually(lambda: watched.health().checks.neo4j.error == "refused")
    again = neo4j.start(tmp_path, port=int(graph.url.rpartition(":")[2]))
    assert again.password == graph.password
    eventually(lambda: watched.health().checks.neo4j.status == "up")
    neo4j.stop(tmp_path)


def test_servers_that_hang_cost_one_wait(silent: SilentServer) -> None:
    """Many callers wait for the same timeout, and those after them for nothing: one connection each is all there is."""
    address = f"127.0.0.1:{silent.port}"
    watched = vitals(
        DATABASE_URL=SecretStr(f"postgresql://sight:{PASSWORD}@{address}/sight"),
        REDIS_URL=SecretStr(f"redis://:{PASSWORD}@{address}"),
        NEO4J_URL=f"bolt://{address}",
        NEO4J_PASSWORD=SecretStr(PASSWORD),
    )
    with ThreadPoolExecutor(20) as callers:
        reports = [report.result() for report in [callers.submit(watched.health) for _ in range(20)]]
    reports += [watched.health() for _ in range(20)]
    for report in reports:
        assert report.status == "unhealthy"
        assert {check.error for _, check in report.checks} == {"timeout"}
        assert PASSWORD not in report.model_dump_json()
        assert address not in report.model_dump_json()
    assert len(silent.taken) == 3
    assert max(threads(name) for name in ("database", "redis", "neo4j")) <= 1
    silent.close()
    eventually(lambda: not any(threads(name) for name in ("database", "redis", "neo4j")))


def test_a_server_that_is_frozen_and_thaws(tmp_path: Path, database_url: str) -> None:
    """One that stops in the middle of its life times out, and is up again afterwards."""
    watched = vitals(DATABASE_URL=database_url, REDIS_URL=redis.start(tmp_path))
    becomes(watched, "healthy")
    pid = redis.running(tmp_path) or 0
    os.kill(pid, signal.SIGSTOP)
    assert becomes(watched, "degraded").checks.redis.error == "timeout"
    os.kill(pid, signal.SIGCONT)
    becomes(watched, "healthy")
    redis.stop(tmp_path)


def test_wrong_passwords_are_told_apart(database_url: str, tmp_path: Path, neo4j_server: Neo4j) -> None:
    """Who is not let in learns that, and the password stays where it is."""
    redis_url = redis.start(tmp_path)
    with Redis.from_url(redis_url) as client:
        client.config_set("requirepass", "right")
    wrong = f"unix://:{PASSWORD}@{redis_url.removeprefix('unix://')}"
    watched = vitals(DATABASE_URL=database_url, REDIS_URL=wrong, **on_neo4j(neo4j_server, PASSWORD))
    refused = {"redis": "authentication failed", "neo4j": "authentication failed", "database": None}
    eventually(lambda: {name: check.error for name, check in watched.health().checks} == refused)
    found = watched.health()
    assert (found.status, statuses(found)) == ("unhealthy", {"database": "up", "redis": "down", "neo4j": "down"})
    assert PASSWORD not in found.model_dump_json()
    redis.stop(tmp_path)


def test_a_database_that_is_not_there_is_named_so(database_url: str) -> None:
    """What the server says itself is told in our words."""
    elsewhere = make_url(database_url).set(database="nowhere").render_as_string(hide_password=False)
    watched = vitals(DATABASE_URL=elsewhere)
    eventually(lambda: watched.health().checks.database.error == "no such database")


def test_a_busy_pool_is_no_outage(database_url: str) -> None:
    """With every connection of the process at work, the database is up, and health takes none of them."""
    found = services(DATABASE_URL=database_url, database_pool_size=2)
    with found.engine.connect(), found.engine.connect():
        becomes(found.vitals, "healthy")


def test_health_leaves_no_connection_behind(database_url: str, engine: Engine) -> None:
    """The database's limit is for work: what health used is closed again."""
    watched = vitals(DATABASE_URL=database_url)
    eventually(lambda: watched.startup().ok)

    def connections() -> int:
        with engine.connect() as connection:
            count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(connection.execute(count).scalar_one())

    eventually(lambda: connections() == 1)


def test_startup_tells_the_migrations(database_url: str, empty_database_url: str) -> None:
    """A migrated database is current, an empty one pending, and that keeps the instance from starting."""
    current, pending = (started(vitals(DATABASE_URL=url)) for url in (database_url, empty_database_url))
    assert (current.status, current.migrations.status, current.migrations.current) == (
        "started",
        "current",
        migrate.head(),
    )
    assert current.connections.database.latency_ms is not None
    assert (pending.status, pending.migrations.status, pending.migrations.current) == ("not_started", "pending", None)


@pytest.mark.parametrize("function", [None, "answer", "api"])
def test_an_instance_warms_up_without_its_servers(function: str | None) -> None:
    """Whether this instance can take work does not depend on whether others do."""
    nowhere = services(DATABASE_URL="postgresql://nobody@127.0.0.1:9/none", FUNCTION_TARGET=function)
    assert nowhere.warm_up.done()
    assert not services(FUNCTION_TARGET=function).warm_up.done()
