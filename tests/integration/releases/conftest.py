"""A service on the fake Cloud Run with a good revision and a bad one, and a rollback that watches it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from common.cloud_run.rest import CloudRunRest
from common.database.engine import connect
from common.monitoring.rest import MonitoringRest
from common.notify.models import Message
from common.releases import store
from common.releases.ledger import Ledger
from common.releases.models import Decision, Policy
from common.releases.probe import Health
from common.releases.rollback import Rollback
from tests.fakes.bus import ListBus
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World

REGION = "europe-central2"
GOOD, BAD = "api-1", "api-2"
RELEASED: list[dict[str, Any]] = [
    {"type": NAMED, "revision": BAD, "percent": 100},
    {"type": NAMED, "revision": BAD, "tag": "stable"},
    {"type": NAMED, "revision": GOOD, "tag": "previous"},
]
"""What a release leaves: the bad revision was promoted, and the good one before it."""


def notification(
    incident_id: str = "i1",
    *,
    state: str = "open",
    service: str = "api",
    revision: str | None = BAD,
    kind: str = "errors",
    version: str = "1.2",
) -> bytes:
    """A notification of Cloud Monitoring as it is published."""
    labels = {"service_name": service, "location": REGION}
    if revision is not None:
        labels["revision_name"] = revision
    incident = {
        "incident_id": incident_id,
        "state": state,
        "url": "https://console.cloud.google.com/monitoring/alerting/incidents/i1",
        "started_at": int(time.time()) - 120,
        "ended_at": int(time.time()) if state == "closed" else None,
        "policy_name": "API errors",
        "condition_name": "5xx above 5 %",
        "policy_user_labels": {"sight_rollback": "true", "sight_kind": kind},
        "resource": {"type": "cloud_run_revision", "labels": labels},
        "metric": {"type": "run.googleapis.com/request_count"},
        "observed_value": "0.4" if state == "open" else "closed because the data is back to normal",
        "threshold_value": "0.05",
        "severity": "CRITICAL",
        "summary": "the share of 5xx is above 5 %",
    }
    return json.dumps({"version": version, "incident": incident}).encode()


@dataclass
class Watch:
    """The rollback with all that it stands on, and what one asks of it in tests."""

    engine: Engine
    server: CloudRunServer
    world: World
    bus: ListBus
    said: list[Message] = field(default_factory=list)
    health: Health | None = None
    policy: Policy = field(default_factory=lambda: Policy("api"))

    def rollback(self, engine: Engine | None = None) -> Rollback:
        """An instance of it."""
        ledger = Ledger(
            lambda: engine or self.engine,
            lambda: self.bus,
            lambda message, _thread: self.said.append(message),
            ("log",),
        )
        return Rollback(
            CloudRunRest("sight-local", endpoint=self.server.url, move_seconds=5.0),
            MonitoringRest("sight-local", endpoint=self.server.url),
            lambda _address: self.health,
            ledger,
            {"api": self.policy, "web": Policy("web")},
        )

    def answer(self, data: bytes, engine: Engine | None = None) -> Decision:
        """Answers an alert as an instance just started does."""
        return self.rollback(engine).answer(data)

    def serving(self, service: str = "api") -> dict[str, int]:
        """Where the traffic is."""
        return dict(CloudRunRest("sight-local", endpoint=self.server.url).service(service, REGION).serving)

    def requests(self, revision: str = BAD, *, count: int = 100, status: int = 500, service: str = "api") -> None:
        """Has a revision answer requests a moment ago."""
        at = time.time() - 1
        self.world.samples += [(at, service, REGION, revision, status, 20.0)] * count

    def sql(self, statement: str, **parameters: Any) -> Sequence[Any]:
        """The rows of a statement."""
        with self.engine.begin() as connection:
            return connection.execute(text(statement), parameters).all()


def deploy_bad(engine: Engine, world: World) -> None:
    """Deploys a revision that was promoted two hours ago, and one minutes ago that has all the traffic."""
    at = time.time()
    world.deploy("api", GOOD, created=at - 7200)
    world.deploy("api", BAD, created=at - 300, no_traffic=True)
    world.set_traffic("api", [{"type": NAMED, "revision": BAD, "percent": 100}])
    with engine.begin() as connection:
        for revision in (GOOD, BAD):
            store.mark_promoted(connection, "api", REGION, revision, "test")


@pytest.fixture
def watch(engine: Engine, cloud_run_server: CloudRunServer, world: World) -> Watch:
    """A service whose first revision was promoted two hours ago and whose second one minutes ago."""
    deploy_bad(engine, world)
    watch = Watch(engine, cloud_run_server, world, ListBus())
    watch.requests()
    return watch


@pytest.fixture
def no_database() -> Engine:
    """An engine of a server that is not there."""
    return connect("postgresql://postgres@127.0.0.1:9/none", timeout_seconds=1.0)


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)
