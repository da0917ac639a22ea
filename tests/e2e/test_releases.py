"""Releases on a whole stack: the revisions are its own API, Cloud Run and Monitoring are the fakes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from common.bus.embedded import EmbeddedBus
from common.bus.port import Message
from common.bus.topology import RELEASES
from tests.e2e.lab import Lab, lab
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.fixtures.eventually import eventually

REGION = "europe-central2"
POLICY = {"step_seconds": 0.5, "lag_seconds": 0, "smoke_paths": ["/health", "/startup", "/docs"], "smoke_job": True}
POLICIES = {
    "good": POLICY,
    "bad": POLICY,
    "broken": POLICY | {"smoke_paths": ["/health", "/this-page-is-missing"]},
    "theirs": POLICY | {"step_seconds": 5.0},
}
WITHIN_SECONDS = 120.0
TICK_SECONDS = 0.05
REQUESTS = 30


@dataclass
class Theatre:
    """A stack, the Cloud Run it believes in, and users of all services."""

    lab: Lab
    world: World

    def deploy(self, service: str, *, address: str) -> None:
        """Deploys a second revision, without traffic, beside one that has it all, and announces it as a pipeline."""
        old, new = f"{service}-1", f"{service}-2"
        self.world.deploy(service, old, created=time.time() - 7200)
        self.world.set_traffic(service, [{"type": NAMED, "revision": old, "percent": 100}])
        self.world.deploy(service, new, no_traffic=True, tag="candidate", address=address)
        event = {"type": "sight.release.deployed.v1", "service": service, "region": REGION, "tag": "candidate"}
        EmbeddedBus(self.lab.engine).publish(RELEASES, [Message(json.dumps(event).encode())])

    def row(self, service: str) -> Any:
        """The release of the second revision, None before it is written."""
        with self.lab.engine.connect() as connection:
            return connection.execute(
                text("SELECT * FROM releases WHERE service = :s AND revision = :r"),
                {"s": service, "r": f"{service}-2"},
            ).one_or_none()

    def ended(self, service: str) -> Any:
        """The release once it has ended, and all that was to be told of it is told."""
        # In this order: a step taken between the two looks would have ended it with its change of traffic still asked.
        eventually(
            lambda: (row := self.row(service)) and row.finished_at and self.settled(service), within=WITHIN_SECONDS
        )
        return self.row(service)

    def settled(self, service: str) -> bool:
        """Whether the release has moved traffic, or will not, and neither a change nor a notification is under way."""
        row = self.row(service)
        if row is None or not (row.percent or row.finished_at):
            return False
        with self.lab.engine.connect() as connection:
            waiting = connection.execute(
                text("""
                    SELECT (SELECT count(*) FROM traffic_changes WHERE release_id = :id AND state = 'asked')
                         + (SELECT count(*) FROM notifications WHERE thread = :thread AND sent_version < version)
                """),
                {"id": row.id, "thread": f"release/{row.id}"},
            ).scalar_one()
        return not waiting

    def shares(self, service: str) -> list[dict[str, int]]:
        """Each change of traffic that Sight made."""
        return [
            {target["revision"]: target["percent"] for target in patch["traffic"] if target.get("percent")}
            for patch in self.world.patches
            if patch["service"] == service
        ]


def use(world: World, stop: threading.Event) -> None:
    """Has users of all services ask, in the shares that there are; the second revision of `bad` answers errors."""
    while not stop.wait(TICK_SECONDS):
        with world.lock:
            at = time.time()
            for (region, name), service in world.services.items():
                for revision in [each for each in service.revisions if service.share_of(each)]:
                    status = 500 if revision == "bad-2" else 200
                    world.samples += [(at, name, region, revision, status, 25.0)] * REQUESTS
            world.samples = [sample for sample in world.samples if sample[0] > at - 10]


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    """A stack that releases these services, with users on them."""
    server, stop = CloudRunServer(), threading.Event()
    users = threading.Thread(target=use, args=[server.world, stop], daemon=True)
    users.start()
    settings = {
        "SIGHT_CLOUD_RUN_ENDPOINT": server.url,
        "SIGHT_MONITORING_ENDPOINT": server.url,
        "SIGHT_RELEASE_POLICIES": json.dumps(POLICIES),
    }
    with lab(settings) as found:
        yield Theatre(found, server.world)
    stop.set()
    users.join()
    server.close()


def test_a_good_release_walks_to_all_the_traffic(theatre: Theatre) -> None:
    """Its API makes a panel first, and then each share is looked at before the next."""
    theatre.deploy("good", address=theatre.lab.stack.url)
    row = theatre.ended("good")
    assert (row.state, row.percent) == ("promoted", 100), row.reason
    assert theatre.shares("good") == [{"good-1": 90, "good-2": 10}, {"good-1": 50, "good-2": 50}, {"good-2": 100}]
    projects = theatre.lab.read("/projects")["items"]
    assert projects == [], "the project of the smoke test is left behind"
    with theatre.lab.engine.connect() as connection:
        jobs = connection.execute(text("SELECT kind, state FROM jobs")).all()
    assert ("personas", "completed") in jobs


def test_a_bad_release_is_taken_back_at_its_first_share(theatre: Theatre) -> None:
    """Nine users of ten never see it."""
    theatre.deploy("bad", address=theatre.lab.stack.url)
    row = theatre.ended("bad")
    assert row.state == "failed"
    assert "of the answers are 5xx" in row.reason
    assert theatre.shares("bad") == [{"bad-1": 90, "bad-2": 10}, {"bad-1": 100}]


def test_a_revision_that_fails_its_smoke_test_never_has_users(theatre: Theatre) -> None:
    """It is only marked."""
    theatre.deploy("broken", address=theatre.lab.stack.url)
    row = theatre.ended("broken")
    assert row.state == "failed"
    assert "GET /this-page-is-missing answered 404" in row.reason
    assert theatre.shares("broken") == [{"broken-1": 100}]


def test_what_a_human_does_is_respected(theatre: Theatre) -> None:
    """The traffic stays as they left it."""
    theatre.deploy("theirs", address=theatre.lab.stack.url)
    eventually(lambda: theatre.settled("theirs"), within=WITHIN_SECONDS)
    hands = [{"type": NAMED, "revision": f"theirs-{number}", "percent": 50} for number in (1, 2)]
    theatre.world.set_traffic("theirs", hands, modifier="ada@example.com")
    row = theatre.ended("theirs")
    assert row.state == "replaced"
    assert "ada@example.com moved the traffic" in row.reason
    assert theatre.shares("theirs") == [{"theirs-1": 90, "theirs-2": 10}]
