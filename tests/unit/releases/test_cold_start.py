"""Tests of what a rollback does not wait for when its process starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.issuer import issuing

ROOT = Path(__file__).parents[3]
HEAVY = (
    "sqlalchemy",
    "pg8000",
    "requests",
    "urllib3",
    "google.auth",
    "google.cloud.pubsub_v1",
    "google.cloud.run_v2",
    "google.cloud.monitoring_v3",
    "grpc",
    "redis",
    "neo4j",
    "flask",
    "numpy",
    "scipy",
    "common.events.models",
    "common.events.receive",
    "common.jobs",
    "common.llm",
    "common.releases.events",
    "common.releases.store",
    "common.releases.walk",
    "functions.rollback.ops",
)
"""What takes long to import, or has others do so: models, clients, the way to the database."""

NEVER = (
    "requests",
    "google.api_core",
    "google.cloud",
    "grpc",
    "aiohttp",
    "redis",
    "numpy",
    "scipy",
    "common.jobs",
    "common.llm",
    "flask",
)
"""What not even answering an alert needs, apart from how it is served."""


CLOUD_RUN_AWAY = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "SIGHT_CLOUD_RUN_ENDPOINT": "http://127.0.0.1:9",
    "SIGHT_RELEASE_POLICIES": '{"api": {}}',
    "SIGHT_LOG_LEVEL": "ERROR",
}
AN_ALERT = """
import common.google_api
common.google_api.READ_SECONDS = 0.1
incident = {"incident_id": "i", "state": "open", "policy_user_labels": {"sight_rollback": "true"},
            "resource": {"labels": {"service_name": "api", "location": "europe-central2"}}}
alert = json.dumps({"version": "1.2", "incident": incident}).encode()
"""


def loaded(script: str, names: tuple[str, ...], environment: Mapping[str, str] | None = None) -> list[str]:
    """Those of the modules that a new process has imported after a script, themselves or a part of them."""
    # A namespace such as google.cloud may be there from the start: what has no file was not imported.
    looks = f"""
files = [f"{{name}}." for name, module in sys.modules.items() if getattr(module, "__file__", None)]
print(json.dumps([name for name in {names!r} if any(file.startswith(f"{{name}}.") for file in files)]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{script}\n{looks}"],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_the_function_imports_nothing_it_can_do_without() -> None:
    """Whoever needs more imports it when that time comes."""
    assert loaded("import functions.rollback.main", HEAVY) == []


@pytest.mark.parametrize(
    "needs", ["rollback", "alerts", "decision", "ledger", "record", "traffic", "probe", "policies"]
)
def test_no_part_of_a_rollback_brings_the_database_with_it(needs: str) -> None:
    """With Postgres away a rollback would have imported its client for nothing."""
    heavy = tuple(name for name in HEAVY if not name.startswith("common.releases"))
    assert loaded(f"import common.releases.{needs}", (*heavy, "pydantic", "common.releases.store")) == []


def test_answering_an_alert_imports_no_client_of_google() -> None:
    """Cloud Run, Monitoring and the database are all it asks, over REST and Postgres' own protocol."""
    script = f"""{AN_ALERT}
from common.bootstrap import services
from common.errors import Unavailable
try:
    services().rollback.answer(alert)
except Unavailable:
    pass
"""
    assert loaded(script, NEVER, CLOUD_RUN_AWAY) == []


def test_neither_does_proving_where_it_comes_from() -> None:
    """The whole way through the function, with a token that proves itself by certificates fetched for it."""
    with issuing() as issuer:
        script = f"""{AN_ALERT}
from types import SimpleNamespace
from functions.rollback.main import rollback
headers = {{"Authorization": "Bearer {issuer.token()}"}}
answer = rollback(SimpleNamespace(path="/", headers=headers, get_data=lambda: alert))
assert answer[1] == 503, answer  # a token that is no proof would be 401
"""
        assert loaded(script, NEVER, {**CLOUD_RUN_AWAY, **issuer.settings()}) == []
    assert issuer.fetches == 1
