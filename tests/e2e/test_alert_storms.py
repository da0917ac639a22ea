"""Storms of alerts: duplicated, reordered, opened and closed, on several services, answered by instances that race."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, text

from common.bus.topology import RELEASES
from common.cloud_run.own_tags import FAILED_TAG_PREFIX
from common.cloud_run.port import CloudRunUnavailable, Service, Target
from common.cloud_run.rest import CloudRunRest
from common.database.engine import connect
from common.errors import Unavailable
from common.monitoring.rest import MonitoringRest
from common.releases import store
from common.releases.ledger import Ledger
from common.releases.models import Policy
from common.releases.record import Record
from common.releases.rollback import Rollback
from common.releases.traffic import failed_tag
from tests.fakes.bus import ListBus
from tests.fakes.cloud_run.notifications import notification
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World

REGION = "europe-central2"
INSTANCES = 2
AT_ONCE = 4
MOST_ROUNDS = 200
SEQUENCES = [
    pytest.param(range(20), id="short"),
    *(pytest.param(range(n, n + 100), id=f"long-{n}", marks=pytest.mark.soak) for n in range(1000, 2000, 100)),
]


@dataclass
class Mortal:
    """Cloud Run as instances use it that may be killed before or after they move traffic."""

    inner: CloudRunRest
    rng: random.Random
    deaths: float

    def service(self, name: str, region: str) -> Service:
        """Reads."""
        return self.inner.service(name, region)

    def move(
        self, name: str, region: str, traffic: Sequence[Target], *, seen: Sequence[Target] | None = None
    ) -> Service:
        """Moves, and lives to tell or not."""
        fate = self.rng.random()
        if fate < self.deaths:
            raise CloudRunUnavailable("killed before it moved anything")
        moved = self.inner.move(name, region, traffic, seen=seen)
        if fate < 2 * self.deaths:
            raise CloudRunUnavailable("killed before it could say so")
        return moved


@dataclass
class Storm:
    """The services, the instances and what is on its way to them."""

    engines: Sequence[Engine]
    server: CloudRunServer
    bus: ListBus
    rng: random.Random
    policies: dict[str, Policy] = field(default_factory=dict)
    messages: list[bytes] = field(default_factory=list)
    revisions: dict[str, list[str]] = field(default_factory=dict)
    lose: float = 0.0

    @property
    def world(self) -> World:
        """What the fake Cloud Run knows."""
        return self.server.world

    def sql(self, statement: str, **parameters: Any) -> Sequence[Any]:
        """The rows of a statement."""
        with self.engines[0].begin() as connection:
            return connection.execute(text(statement), parameters).all()

    def add_service(self, name: str) -> None:
        """A service of up to five revisions, some of which are not ready, were never promoted or failed before."""
        rng, now = self.rng, time.time()
        self.policies[name] = Policy(
            name,
            min_requests=1,
            cooldown_seconds=rng.choice([0.0, 600.0]),
            max_rollbacks_per_day=rng.choice([1, 3, 99]),
            dry_run=rng.random() < 0.05,
        )
        names = [f"{name}-{number}" for number in range(rng.randint(2, 5))]
        self.revisions[name] = names
        shares = [(names[-1], 100)] if rng.random() < 0.7 else [(names[-1], 10), (names[-2], 90)]
        tags: list[dict[str, Any]] = []
        broken = [revision for revision in names[:-1] if rng.random() < 0.1]
        for number, revision in enumerate(names):
            created = now - 3600.0 * (len(names) - number)
            self.world.deploy(name, revision, created=created, no_traffic=number > 0)
            with self.engines[0].begin() as connection:
                if revision in dict(shares) or rng.random() < 0.8:
                    store.mark_promoted(connection, name, REGION, revision, "test")
                elif rng.random() < 0.5:
                    store.mark_failed(connection, name, REGION, revision, "test")
                    tags += [{"type": NAMED, "revision": revision, "tag": failed_tag(revision)}]
        traffic = [{"type": NAMED, "revision": revision, "percent": percent} for revision, percent in shares]
        self.world.set_traffic(name, [*traffic, *tags])
        for revision in broken:
            self.world.become(name, revision, ready=False)
        self.world.age(name, 1800.0)
        self.world.samples += [(now, name, REGION, r, 500, 20.0) for r in names if rng.random() < 0.9 for _ in "xy"]

    def raise_incidents(self, name: str) -> None:
        """Incidents on the revisions of a service: each opens, and perhaps closes, and is told of more than once."""
        rng = self.rng
        for number in range(rng.randint(1, 3)):
            revision = rng.choice([self.revisions[name][-1], self.revisions[name][-1], *self.revisions[name], None])
            kind = rng.choice(["errors", "latency", "crashes", "health"])
            told = [
                notification(f"{name}-i{number}", service=name, revision=revision, kind=kind, state=state)
                for state in rng.choice([["open"], ["open"], ["open", "closed"], ["closed"]])
            ]
            self.messages += [data for data in told for _ in range(rng.randint(1, 3))]

    def instances(self) -> list[Rollback]:
        """Two of the function, each with what is its own."""
        made = []
        for engine in self.engines:
            cloud_run = Mortal(CloudRunRest("sight-local", endpoint=self.server.url), self.rng, deaths=0.1)
            ledger = Ledger(self._engine(engine), lambda: self.bus, lambda *_: None, ("log",))
            monitoring = MonitoringRest("sight-local", endpoint=self.server.url)
            made.append(Rollback(cloud_run, monitoring, lambda _: None, ledger, self.policies))
        return made

    def _engine(self, engine: Engine) -> Callable[[], Engine]:
        return lambda: self.nowhere if self.rng.random() < self.lose else engine

    def __post_init__(self) -> None:
        self.nowhere = connect("postgresql://nobody@127.0.0.1:9/none", timeout_seconds=1.0)

    def rage(self) -> None:
        """Delivers everything to the instances, several messages at once, until all of it is acknowledged."""
        instances = self.instances()
        self.rng.shuffle(self.messages)
        waiting = list(self.messages)

        def deliver(data: bytes, instance: Rollback) -> bytes | None:
            try:
                instance.answer(data)
            except Unavailable:
                return data
            return None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in range(MOST_ROUNDS):
                chosen = [self.rng.choice(instances) for _ in waiting]
                waiting = [data for data in pool.map(deliver, waiting, chosen) if data is not None]
                self.rng.shuffle(waiting)
                self._write_late()
                if not waiting:
                    break
        assert waiting == [], "alerts are never acknowledged"
        self.lose = 0.0
        self.sql(
            "UPDATE traffic_changes SET created_at = created_at - interval '1 hour' WHERE state = 'asked' RETURNING 1"
        )
        for instance in instances:
            while instance.finish_overdue():
                pass

    def _write_late(self) -> None:
        """Writes the records that were published, as their consumer does."""
        for data in self.bus.take(RELEASES):
            with self.engines[0].begin() as connection:
                store.write(connection, Record.from_json(json.loads(data)["record"]), ("log",))


def check(storm: Storm, started: dict[str, dict[str, int]]) -> None:
    """Fails if a service is left on a revision marked failed, or was moved more than once for one incident."""
    rows = storm.sql("SELECT service, revision FROM releases WHERE state = 'failed'")
    failed = {(row.service, row.revision) for row in rows}
    changes = storm.sql("""
        SELECT c.service, c.state, i.incident_id, i.action, i.dry_run FROM traffic_changes c
        JOIN incidents i ON i.id = c.incident_id
    """)
    assert all(change.state == "verified" or change.state == "failed" for change in changes)
    assert all(change.action == "roll_back" and not change.dry_run for change in changes)
    per_incident = Counter((change.service, change.incident_id) for change in changes)
    assert not per_incident or max(per_incident.values()) == 1
    for name, shares in started.items():
        found = storm.world.find(name, REGION)
        serving = {revision for revision in storm.revisions[name] if found.share_of(revision)}
        was_failed = {revision for service, revision in failed if service == name}
        assert serving.isdisjoint(was_failed), f"{name} is left on {serving & was_failed}"
        check_moves(storm, name, shares, sum(change.service == name for change in changes))


def check_moves(storm: Storm, name: str, shares: dict[str, int], changes: int) -> None:
    """Fails unless every move of a service led to an older revision that had not failed by then."""
    order = storm.revisions[name]
    before, marked, shifts = shares, set[str](), 0
    for patch in (patch for patch in storm.world.patches if patch["service"] == name):
        (target,) = [each["revision"] for each in patch["traffic"] if each.get("percent")]
        if {target: 100} == before:
            continue
        shifts += 1
        assert order.index(target) < max(map(order.index, before)), f"{name} went from {before} to {target}"
        assert target not in marked, f"{name} was sent to {target}, which had failed"
        tagged = [each for each in patch["traffic"] if each.get("tag", "").startswith(FAILED_TAG_PREFIX)]
        marked |= {each["revision"] for each in tagged}
        assert target not in marked
        before = {target: 100}
    assert shifts <= changes, f"{name} was moved {shifts} times for {changes} incidents"


@pytest.fixture
def engines(database_url: str) -> Iterator[list[Engine]]:
    """An engine for each instance, as each has its own."""
    made = [connect(database_url, pool_size=AT_ONCE + 2) for _ in range(INSTANCES)]
    yield made
    for engine in made:
        engine.dispose()


@pytest.mark.parametrize("seeds", SEQUENCES)
def test_no_storm_of_alerts_leaves_a_service_on_a_failed_revision_or_moves_it_twice(
    seeds: range, engines: list[Engine], cloud_run_server: CloudRunServer
) -> None:
    """Whatever the order, however often, whoever dies meanwhile and whether or not the database is there."""
    shifted = 0
    for seed in seeds:
        rng = random.Random(seed)
        cloud_run_server.world.reset()
        storm = Storm(engines, cloud_run_server, ListBus(), rng)
        for number in range(rng.randint(1, 3)):
            storm.add_service(f"s{seed}-{number}")
            storm.raise_incidents(f"s{seed}-{number}")
        faults = storm.world.faults
        faults.operation_seconds = rng.choice([0.0, 0.02])
        faults.conflicts, faults.limited = rng.randint(0, 2), rng.randint(0, 1)
        faults.errors_before, faults.errors_after = rng.randint(0, 1), rng.randint(0, 1)
        storm.lose = rng.choice([0.0, 0.0, 0.1])
        started = {name: shares(storm.world, name, names) for name, names in storm.revisions.items()}
        storm.rage()
        check(storm, started)
        shifted += len(storm.world.patches)
        storm.sql("TRUNCATE incidents, releases, traffic_changes, release_events, notifications CASCADE; SELECT 1")
    assert shifted >= len(seeds) / 2, "the storms are too mild to show anything"


def shares(world: World, name: str, names: Sequence[str]) -> dict[str, int]:
    """The traffic of a service as it is now."""
    found = world.find(name, REGION)
    return {revision: found.share_of(revision) for revision in names if found.share_of(revision)}
