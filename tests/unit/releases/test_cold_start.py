"""Tests of what a rollback does not wait for when its process starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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

NEVER = ("requests", "google.cloud", "grpc", "redis", "numpy", "scipy", "common.jobs", "common.llm", "flask")
"""What not even answering an alert needs, apart from how it is served."""


def loaded(script: str, names: tuple[str, ...]) -> list[str]:
    """Those of the modules that a new process has imported after a script."""
    looks = f"print(json.dumps([name for name in {names!r} if getattr(sys.modules.get(name), '__file__', None)]))"
    ran = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{script}\n{looks}"],
        cwd=ROOT,
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
    script = """
import os
os.environ |= {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "SIGHT_CLOUD_RUN_ENDPOINT": "http://127.0.0.1:9"}
os.environ |= {"SIGHT_RELEASE_POLICIES": '{"api": {}}', "SIGHT_LOG_LEVEL": "ERROR"}
from common.bootstrap import services
from common.errors import Unavailable
incident = {"incident_id": "i", "state": "open", "policy_user_labels": {"sight_rollback": "true"},
            "resource": {"labels": {"service_name": "api", "location": "europe-central2"}}}
import common.google_api
common.google_api.READ_SECONDS = 0.1
try:
    services().rollback.answer(json.dumps({"version": "1.2", "incident": incident}).encode())
except Unavailable:
    pass
"""
    assert loaded(script, NEVER) == []
