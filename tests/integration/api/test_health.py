"""Tests of how the API tells how it is doing. Every answer is held against the OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from common.database import migrate
from common.database.engine import connect
from common.shutdown import PROCESS
from tests.fakes.bus import ListBus
from tests.fixtures.api import Api, serve, services_on
from tests.fixtures.eventually import eventually

NOBODY = "127.0.0.1:9"


def api_on(engine: Engine, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Api:
    """The API with these settings."""
    services = services_on(engine, ListBus(), **settings)
    monkeypatch.setattr("common.bootstrap.services", lambda: services)
    return Api(serve("api").test_client(), services, ListBus())


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Api:
    """The API without its database."""
    return api_on(connect(f"postgresql://nobody:secret@{NOBODY}/none"), monkeypatch)


def ask(api: Api, path: str, status: int) -> Any:
    """The answer as soon as it has this status: a busy machine may be late for a check."""
    responses: list[TestResponse] = []

    def answers() -> bool:
        responses.append(api.ask("GET", path))
        return responses[-1].status_code == status

    eventually(answers)
    response = responses[-1]
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    return response.json


def test_health_tells_what_answers(api: Api) -> None:
    """The database answers; what is not configured is disabled, and as good as up."""
    found = ask(api, "/health", 200)
    assert (found["status"], found["environment"], found["revision"]) == ("healthy", "development", "local")
    assert found["checks"]["database"]["status"] == "up"
    assert found["checks"]["database"]["latency_ms"] > 0
    disabled = {"status": "disabled", "latency_ms": None, "error": None}
    assert (found["checks"]["redis"], found["checks"]["neo4j"]) == (disabled, disabled)


def test_health_without_a_database_is_unhealthy(lost: Api) -> None:
    """503 says what is down in the form of every other answer of health, and nothing of where that is."""
    found = ask(lost, "/health", 503)
    assert (found["status"], found["checks"]["database"]["error"]) == ("unhealthy", "refused")
    said = lost.ask("GET", "/health").text
    assert "secret" not in said
    assert NOBODY not in said
    assert lost.get("/projects").status_code == 503


@pytest.mark.parametrize(
    ("settings", "status", "down"),
    [
        ({"REDIS_URL": f"redis://{NOBODY}"}, 200, {"redis"}),
        ({"NEO4J_URL": f"bolt://{NOBODY}", "NEO4J_PASSWORD": "x"}, 200, {"neo4j"}),
        ({"REDIS_URL": f"redis://{NOBODY}", "NEO4J_URL": f"bolt://{NOBODY}"}, 503, {"redis", "neo4j"}),
    ],
)
def test_health_without_the_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], status: int, down: set[str]
) -> None:
    """One less is degraded and still 200; two less are too many."""
    found = ask(api_on(engine, monkeypatch, **settings), "/health", status)
    assert found["status"] == ("degraded" if status == 200 else "unhealthy")
    assert {name for name, check in found["checks"].items() if check["status"] == "down"} == down


def test_an_instance_lives_without_its_dependencies(lost: Api) -> None:
    """Nobody restarts instances because the database is down; and ready is who could work if it were not."""
    assert ask(lost, "/health/live", 200) == {"status": "alive"}
    assert ask(lost, "/health/ready", 200)["checks"] == {"accepting": True, "settings": True, "warmed": True}
    assert "vitals" not in lost.services.__dict__


def test_an_instance_that_ends_lives_and_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left alone to end, and gets nothing more to do."""
    monkeypatch.setattr(PROCESS, "_begun_at", 0.0)
    found = ask(api, "/health/ready", 503)
    assert (found["status"], found["checks"]["accepting"]) == ("not_ready", False)
    assert ask(api, "/health/live", 200) == {"status": "alive"}


def test_startup_tells_connections_and_migrations(api: Api, lost: Api) -> None:
    """An instance starts on a database that has its migrations."""
    found = ask(api, "/startup", 200)
    assert found["status"] == "started"
    assert found["connections"]["database"]["latency_ms"] > 0
    assert found["migrations"] == {"status": "current", "current": migrate.head(), "expected": migrate.head()}
    assert ask(lost, "/startup", 503)["migrations"]["status"] == "unknown"
