"""Every function tells how it is doing, beside what it is there for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr
from werkzeug.test import TestResponse

from common import bootstrap
from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.errors import Unauthenticated
from common.settings import Settings
from functions.health.mount import PATHS
from functions.loading import FUNCTIONS, load
from tests.fixtures.api import Api
from tests.fixtures.eventually import eventually

ROOT = Path(__file__).parents[3]
NAMES = sorted(path.parent.name for path in FUNCTIONS.glob("*/main.py"))
EVENTS = ["answer", "commands", "dead_letter", "fan_out", "persona", "summary"]


def get(function: str, path: str, **options: Any) -> TestResponse:
    """What a function that is served as in its container answers."""
    app = load(function)
    assert isinstance(app, Flask)
    return app.test_client().open(path, **options)


@pytest.mark.parametrize("function", NAMES)
def test_every_function_tells_how_it_is_doing(api: Api, function: str) -> None:
    """All four routes answer on every service, in JSON, without a token or a key."""
    for path in PATHS:
        eventually(lambda path=path: get(function, path).status_code == 200)  # type: ignore[misc]
        response = get(function, path)
        assert response.status_code == 200, response.text
        assert response.mimetype == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
    body: Any = get(function, "/health").json
    assert (body["status"], body["checks"]["database"]["status"]) == ("healthy", "up")


@pytest.mark.parametrize("function", EVENTS)
def test_a_function_still_takes_its_events(api: Api, function: str) -> None:
    """Pushes go where they went, whatever the path, and prove who sent them; health asks nobody for that."""

    def prove(authorization: str | None) -> None:
        raise Unauthenticated("no")

    api.services.__dict__["prove"] = prove
    body = to_push(Delivery("m1", "s", b"{}", {}))
    assert get(function, "/", method="POST", data=body).status_code == 401
    assert get(function, "/health", method="POST", data=body).status_code == 401
    assert get(function, "/health/live").status_code == 200


def test_the_function_of_health_answers_at_its_root(api: Api) -> None:
    """On its own it is health and nothing else."""
    eventually(lambda: get("health", "/").status_code == 200)
    assert get("health", "/nowhere").status_code == 404


def test_settings_that_are_not_valid_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instance lives and is not ready, and what is wrong with its settings is for the log."""

    def invalid() -> bootstrap.Services:
        return bootstrap.Services(Settings(_env_file=None, environment="production", api_key=SecretStr("change-me")))

    monkeypatch.setattr(bootstrap, "services", invalid)
    assert get("fan_out", "/health/live").json == {"status": "alive"}
    for path in ("/health", "/health/ready", "/startup"):
        response = get("fan_out", path)
        found: Any = response.json
        assert (response.status_code, found["status"]) == (503, "not_ready")
        assert found["checks"] == {"accepting": True, "settings": False, "warmed": False}
        assert "change-me" not in response.text


def test_health_costs_a_cold_start_nothing() -> None:
    """Loading a function imports neither what checks its dependencies nor their drivers."""
    script = (
        "import sys; from functions.loading import load; load('rollback');"
        "print([name for name in sys.modules if name.startswith('common.health') or name == 'functions.health.main'],"
        " [name for name in ('alembic', 'neo4j', 'pg8000', 'redis', 'sqlalchemy') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] []"


def test_readiness_costs_no_driver_either() -> None:
    """Whether an instance is ready is told without connecting to anything, and so without what connects."""
    script = (
        "import sys; from functions.loading import load; client = load('rollback').test_client();"
        "print(client.get('/health/live').status_code, client.get('/health/ready').json['checks']['settings'],"
        " [name for name in ('alembic', 'neo4j', 'pg8000', 'redis') if name in sys.modules])"
    )
    environment = {"PATH": "/usr/bin:/bin", "FUNCTION_TARGET": "rollback"}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "200 True []"
