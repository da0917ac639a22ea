"""A service with a stable revision and a new one, and what walks it: for the tests of releases."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Engine, text

from common.bus.topology import RELEASES
from common.cloud_run.port import CloudRunUnavailable, Service, Target
from common.cloud_run.rest import CloudRunRest
from common.monitoring.rest import MonitoringRest
from common.releases.events import RELEASE, ReleaseDeployed, ReleaseStepDue
from common.releases.models import Policy
from common.releases.probe import Health
from common.releases.smoke import Smoke
from common.releases.walk import Walk
from tests.fakes.bus import ListBus
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.integration.releases.conftest import REGION

OLD, NEW = "api-1", "api-2"


@dataclass
class Dying:
    """Cloud Run as a process uses it that is killed before or after it moves traffic."""

    inner: CloudRunRest
    when: str

    def service(self, name: str, region: str) -> Service:
        """Reads."""
        return self.inner.service(name, region)

    def move(
        self, name: str, region: str, traffic: Sequence[Target], *, seen: Sequence[Target] | None = None
    ) -> Service:
        """Moves or not, and does not live to tell."""
        if self.when == "after":
            self.inner.move(name, region, traffic, seen=seen)
        raise CloudRunUnavailable("killed here")


@dataclass
class Release:
    """A service with a stable revision and a new one that has no traffic, and what walks it."""

    engine: Engine
    server: CloudRunServer
    world: World
    bus: ListBus = field(default_factory=ListBus)
    health: Health | None = field(default_factory=lambda: Health(up=True, detail="up"))
    stable_health: Health | None = None
    smoke: Smoke = field(default_factory=lambda: Smoke(passed=True, detail="all went well"))
    tried: list[str] = field(default_factory=list)
    policy: Policy = field(default_factory=lambda: Policy("api", step_seconds=0.0))

    def walk(self, *, dies: Literal["", "before", "after"] = "") -> Walk:
        """What walks, as an instance just started, and as one that is killed before or after it moves traffic."""

        def smoke_test(address: str, revision: str, *, paths: Sequence[str], job: bool) -> Smoke:
            assert revision in (NEW, "api-3")
            assert list(paths) == list(self.policy.smoke_paths)
            assert job == self.policy.smoke_job
            self.tried.append(address)
            return self.smoke

        cloud_run = CloudRunRest("sight-local", endpoint=self.server.url, move_seconds=5.0)
        return Walk(
            engine=self.engine,
            bus=self.bus,
            cloud_run=Dying(cloud_run, dies) if dies else cloud_run,
            monitoring=MonitoringRest("sight-local", endpoint=self.server.url),
            probe=lambda address: self.health if "candidate" in address else self.stable_health,
            smoke_test=smoke_test,
            policies={"api": self.policy},
            channels=("log",),
        )

    def deploy(self, revision: str = NEW, tag: str | None = "candidate") -> UUID | None:
        """Announces a revision."""
        return self.walk().begin(
            ReleaseDeployed(service="api", region=REGION, revision=revision if not tag else None, tag=tag)
        )

    def first_share(self) -> ReleaseStepDue:
        """Announces the new revision, gives it its first share and returns the step that comes next."""
        self.deploy()
        (first,) = self.due()
        self.walk().take(first)
        (second,) = self.due()
        return second

    def move_by_hand(self, shares: dict[str, int], *, by: str = "ada@example.com") -> None:
        """Moves the traffic as somebody else."""
        targets = [{"type": NAMED, "revision": name, "percent": percent} for name, percent in shares.items()]
        self.world.set_traffic("api", targets, modifier=by)

    def told(self) -> dict[str, dict[str, Any]]:
        """What people are told in the end, by the beginning of its thread."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT split_part(thread, '/', 1), message FROM notifications")).all()
        return {row[0]: row[1] for row in rows}

    def due(self) -> list[ReleaseStepDue]:
        """The steps that were asked for."""
        events = [RELEASE.validate_python(json.loads(data)) for data in self.bus.take(RELEASES)]
        return [event for event in events if isinstance(event, ReleaseStepDue)]

    def go(
        self, *, count: int = 100, status: int = 200, milliseconds: float = 20.0, stable_status: int = 200
    ) -> list[dict[str, int]]:
        """Takes steps until none is asked for, the candidate answering requests so before each; returns where the
        traffic was after each."""
        seen: list[dict[str, int]] = []
        while due := self.due():
            for event in due:
                self.requests(NEW, count=count, status=status, milliseconds=milliseconds)
                self.requests(OLD, status=stable_status)
                self.walk().take(event)
                seen.append(self.serving())
        return seen

    def requests(self, revision: str, *, count: int = 100, status: int = 200, milliseconds: float = 20.0) -> None:
        """Has a revision answer requests a moment from now, when the next look is over."""
        at = time.time()
        self.world.samples += [(at, "api", REGION, revision, status, milliseconds)] * count
        time.sleep(0.002)

    def serving(self) -> dict[str, int]:
        """Where the traffic is."""
        return dict(CloudRunRest("sight-local", endpoint=self.server.url).service("api", REGION).serving)

    def row(self, revision: str = NEW) -> Any:
        """The release."""
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT * FROM releases WHERE revision = :r"), {"r": revision}).one()

    def types(self) -> list[str]:
        """The types of the timeline's lines."""
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT type FROM release_events ORDER BY at, id")).scalars())


def deployed(engine: Engine, server: CloudRunServer, world: World) -> Release:
    """A new revision that was just deployed with a tag and without traffic."""
    now = time.time()
    world.deploy("api", OLD, created=now - 7200)
    world.set_traffic("api", [{"type": NAMED, "revision": OLD, "percent": 100}])
    world.deploy("api", NEW, created=now - 60, no_traffic=True, tag="candidate")
    return Release(engine, server, world)
