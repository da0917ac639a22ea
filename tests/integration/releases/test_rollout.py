"""The function `rollout` as it is served, and what the sweep sees of services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from sqlalchemy import Engine, text

from common import bootstrap
from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.bus.topology import RELEASES
from common.events import schemas
from common.releases import store
from common.releases.models import Policy
from common.releases.sweep import observe
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.fixtures.api import serve, services_on
from tests.integration.releases.conftest import BAD, GOOD, REGION, RELEASED, Watch, notification
from tests.integration.releases.walking import NEW, OLD, Release, deployed


@dataclass
class Function:
    """A client of the function, and the release behind it."""

    client: FlaskClient
    release: Release

    def push(self, event: dict[str, Any]) -> int:
        """Delivers an event and returns the status."""
        body = to_push(Delivery("1", "sight-releases-rollout", json.dumps(event).encode(), {}))
        return self.client.post("/", data=body).status_code

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with self.release.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]


@pytest.fixture
def rollout(
    engine: Engine, cloud_run_server: CloudRunServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Function]:
    """The function with a revision that was just deployed."""
    release = deployed(engine, cloud_run_server, world)
    services = services_on(
        engine,
        release.bus,
        cloud_run_endpoint=cloud_run_server.url,
        monitoring_endpoint=cloud_run_server.url,
        release_policies={"api": {"smoke_paths": []}},
    )
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    yield Function(serve("rollout").test_client(), release)
    services.close()


def test_an_announced_revision_is_released_step_by_step(rollout: Function) -> None:
    """Each step asks for the next one, after the wait of the policy."""
    event = {"type": "sight.release.deployed.v1", "service": "api", "region": REGION, "tag": "candidate"}
    assert rollout.push(event) == 204
    (step,) = rollout.release.due()
    assert rollout.push(step.model_dump(mode="json")) == 204
    assert rollout.release.serving() == {OLD: 90, NEW: 10}
    assert [event.step for event in rollout.release.due()] == [1]
    assert rollout.release.bus.delays[-1] == 300.0


def test_what_is_no_event_is_buried(rollout: Function) -> None:
    """Neither retried for ever nor lost."""
    for event in (
        {"type": "sight.release.deployed.v1", "service": "api"},
        {"type": "sight.release.recorded.v1", "record": {}},
        {"type": "sight.release.recorded.v1", "record": {"change": None, "started_at": None, "lines": [], "x": 1}},
    ):
        assert rollout.push(event) == 204
    causes = rollout.sql("SELECT cause_code FROM dead_letters")
    assert sorted(causes) == [("malformed",), ("malformed",), ("malformed_event",)]


def test_what_a_rollback_did_without_the_database_is_written_down(
    watch: Watch, no_database: Engine, rollout: Function
) -> None:
    """Once, however often it comes; and the event is what its schema promises."""
    watch.world.set_traffic("api", RELEASED)
    watch.answer(notification(), no_database)
    (event,) = [json.loads(data) for data in watch.bus.take(RELEASES)]
    Draft202012Validator(schemas.files()["schemas/sight.release.recorded.v1.json"]).validate(event)
    for _ in range(2):
        assert rollout.push(event) == 204
    assert rollout.sql("SELECT source, target, action FROM incidents") == [(BAD, GOOD, "roll_back")]
    assert rollout.sql("SELECT state, actor FROM traffic_changes") == [("verified", "rollback")]
    assert rollout.sql(f"SELECT state FROM releases WHERE revision = '{BAD}'") == [("failed",)]
    assert rollout.sql("SELECT channel FROM notifications") == [("log",)]


class TestObserving:
    """What serves alone for a while is remembered as promoted, so that there is something to go back to."""

    def promoted(self, release: Release) -> set[str]:
        """The revisions remembered as promoted."""
        with release.engine.connect() as connection:
            return set(store.history(connection, "api", REGION, datetime.now(UTC)).promoted)

    def observe(self, release: Release) -> int:
        """One sweep; a service that is not there disturbs nobody."""
        return observe(release.engine, release.walk().cloud_run, {"gone": Policy("gone"), "api": Policy("api")}, REGION)

    def test_it_takes_ten_minutes(self, rollout: Function) -> None:
        """A revision that has just got all the traffic has proved nothing."""
        release = rollout.release
        assert (self.observe(release), self.promoted(release)) == (0, set())
        release.world.age("api", 601)
        assert (self.observe(release), self.promoted(release)) == (1, {OLD})

    def test_shared_traffic_and_releases_on_their_way_are_no_proof(self, rollout: Function) -> None:
        """Nor is what failed before."""
        release = rollout.release
        release.world.age("api", 601)
        release.deploy()
        assert self.observe(release) == 0
        with release.engine.begin() as connection:
            store.mark_failed(connection, "api", REGION, NEW, "bad")
        release.world.set_traffic("api", [{"type": NAMED, "revision": NEW, "percent": 100}])
        release.world.age("api", 601)
        self.observe(release)
        assert self.promoted(release) == {OLD}
        release.move_by_hand({OLD: 50, NEW: 50})
        release.world.age("api", 601)
        assert self.observe(release) == 0
