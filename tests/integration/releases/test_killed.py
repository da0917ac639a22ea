"""Instances of the rollback that are killed while they are at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.eventually import eventually
from tests.integration.releases.conftest import BAD, GOOD, REGION, Watch, notification

ROOT = Path(__file__).parents[3]
ANSWER = "import sys; from common.bootstrap import services; services().rollback.answer(sys.stdin.buffer.read())"


def start(watch: Watch, database_url: str, data: bytes) -> subprocess.Popen[bytes]:
    """A process that answers one alert and ends."""
    settings = {
        "DATABASE_URL": database_url,
        "SIGHT_CLOUD_RUN_ENDPOINT": watch.server.url,
        "SIGHT_MONITORING_ENDPOINT": watch.server.url,
        "SIGHT_RELEASE_POLICIES": json.dumps({"api": {}}),
        "SIGHT_LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWER], cwd=ROOT, env=os.environ | settings, stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.close()
    return process


def asked(watch: Watch) -> bool:
    """Whether a change was written down."""
    return bool(watch.sql("SELECT 1 FROM traffic_changes WHERE state = 'asked'"))


def patched(watch: Watch) -> bool:
    """Whether Cloud Run was asked to move the traffic."""
    return bool(watch.world.patches)


@pytest.mark.parametrize(("moment", "conflicts"), [(asked, 10_000), (patched, 0)])
def test_whenever_it_is_killed_the_next_one_ends_it(
    watch: Watch, database_url: str, moment: Callable[[Watch], bool], conflicts: int
) -> None:
    """Its lock is free at once, the same change is made or found to be made, and the record is whole."""
    watch.world.faults.conflicts = conflicts
    watch.world.faults.operation_seconds = 60.0
    process = start(watch, database_url, notification())
    eventually(lambda: moment(watch))
    process.kill()
    process.wait()
    assert watch.sql("SELECT state FROM traffic_changes") == [("asked",)]
    watch.world.faults.conflicts = 0
    watch.world.faults.operation_seconds = 0.0
    if watch.world.patches:
        found = watch.world.find("api", REGION)
        assert found.pending is not None
        found.pending = (0.0, found.pending[1])
    assert watch.answer(notification()).action == "roll_back"
    assert watch.serving() == {GOOD: 100}
    assert len(watch.world.patches) == 1
    assert watch.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert watch.sql("SELECT revision FROM releases WHERE state = 'failed'") == [(BAD,)]
    types = [row.type for row in watch.sql("SELECT type FROM release_events ORDER BY at, id")]
    assert types == ["alert", "decided", "shifting", "shifted"]
