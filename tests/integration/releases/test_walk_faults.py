"""Releases that are cut off, overtaken, or whose world changes under them."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import pytest
from sqlalchemy import Engine, text

from common.bus.embedded import EmbeddedBus
from common.bus.embedded_schema import ensure_schema
from common.cloud_run.port import CloudRunRefused, CloudRunUnavailable
from common.cloud_run.rest import CloudRunRest
from common.database.engine import connect
from common.errors import SightError, Unavailable
from common.releases import store, views
from common.releases.events import ReleaseDeployed, ReleaseStepDue
from common.releases.probe import Health
from common.releases.smoke import Smoke
from common.releases.traffic import back_to, failed_tag
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.integration.releases.conftest import REGION
from tests.integration.releases.walking import NEW, OLD, Release, deployed

MOST_DELIVERIES = 400


@pytest.fixture
def release(engine: Engine, cloud_run_server: CloudRunServer, world: World) -> Release:
    """A new revision that was just deployed with a tag."""
    return deployed(engine, cloud_run_server, world)


def roll_back(release: Release) -> None:
    """Takes the new revision back as the function `rollback` does."""
    cloud_run = release.walk().cloud_run
    cloud_run.move("api", REGION, back_to(cloud_run.service("api", REGION), OLD, NEW))
    with release.engine.begin() as connection:
        store.mark_failed(connection, "api", REGION, NEW, "too many errors")


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_shift_that_was_cut_off_is_made_once(release: Release, dies: Literal["before", "after"]) -> None:
    """Whether the process was killed before or after it moved the traffic, the next one finds out."""
    release.deploy()
    (first,) = release.due()
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies=dies).take(first)
    release.walk().take(first)
    assert release.serving() == {OLD: 90, NEW: 10}
    assert len(release.world.patches) == 1
    assert len(release.due()) == 1


@pytest.mark.parametrize("dies", ["before", "after"])
def test_taking_back_that_was_cut_off_is_made_once(release: Release, dies: Literal["before", "after"]) -> None:
    """Users are not left on a revision that was found bad, even where nobody delivers the step again."""
    second = release.first_share()
    release.requests(NEW, status=500)
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies=dies).take(second)
    assert release.told()["release"]["title"] == f"api: {NEW} failed and is being taken back"
    with release.engine.begin() as connection:
        connection.execute(text("UPDATE traffic_changes SET created_at = created_at - interval '1 hour'"))
    assert release.walk().overdue() == 1
    release.go()
    assert release.serving() == {OLD: 100}
    assert len(release.world.patches) == 2
    assert release.told()["release"]["title"] == f"api: {NEW} failed and was taken back"
    assert release.walk().overdue() == 0


def test_a_shift_that_was_cut_off_does_not_undo_a_rollback(release: Release) -> None:
    """A revision marked failed meanwhile gets no traffic from what was asked for before."""
    second = release.first_share()
    release.requests(NEW)
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies="before").take(second)
    roll_back(release)
    release.walk().take(second)
    assert release.serving() == {OLD: 100}
    assert (release.row().state, release.row().percent) == ("failed", 0)
    assert release.walk().overdue() == 0


def test_a_first_share_that_was_cut_off_is_not_given_to_a_revision_marked_failed(release: Release) -> None:
    """Though the traffic is as it was when the share was asked for."""
    release.deploy()
    (first,) = release.due()
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies="before").take(first)
    roll_back(release)
    before = len(release.world.patches)
    release.walk().take(first)
    assert len(release.world.patches) == before
    assert release.serving() == {OLD: 100}
    assert release.row().state == "failed"
    assert release.types()[-1] == "not_shifted"
    assert release.due() == []


def test_a_first_share_that_was_cut_off_is_not_given_to_a_revision_that_was_replaced(release: Release) -> None:
    """A newer one is on its way, and only that."""
    release.deploy()
    (first,) = release.due()
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies="before").take(first)
    release.world.deploy("api", "api-3", no_traffic=True, tag="candidate-3")
    release.deploy(tag="candidate-3")
    release.walk().take(first)
    assert release.serving() == {OLD: 100}
    assert (release.row().state, release.row("api-3").state) == ("replaced", "smoke")


def test_a_shift_that_was_cut_off_does_not_undo_what_somebody_did(release: Release) -> None:
    """The traffic stays where they sent it."""
    second = release.first_share()
    release.requests(NEW)
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies="before").take(second)
    release.move_by_hand({OLD: 100})
    release.walk().take(second)
    assert release.serving() == {OLD: 100}
    assert release.row().state == "replaced"
    assert release.due() == []


def test_a_rollback_of_the_revision_ends_its_release(release: Release) -> None:
    """The next step finds it failed, says so where the release was told of, and moves nothing."""
    second = release.first_share()
    roll_back(release)
    before = len(release.world.patches)
    release.walk().take(second)
    assert len(release.world.patches) == before
    assert (release.told()["release"]["status"], release.told()["release"]["text"]) == ("trouble", "too many errors")
    assert release.due() == []


def test_a_rollback_that_is_not_written_down_yet_is_respected(release: Release) -> None:
    """The traffic tells of it, and who did it is known from what was asked for."""
    second = release.first_share()
    cloud_run = release.walk().cloud_run
    cloud_run.move("api", REGION, back_to(cloud_run.service("api", REGION), OLD, NEW))
    release.walk().take(second)
    assert release.serving() == {OLD: 100}
    assert release.row().state == "replaced"


def test_traffic_that_does_not_go_where_it_was_sent_waits_for_a_human(release: Release) -> None:
    """What Cloud Run refused once it would refuse again."""
    release.world.faults.failed_operations = 1
    release.deploy()
    assert release.go() == [{OLD: 100}]
    assert release.row().state == "waiting"
    assert release.told()["release"]["status"] == "trouble"
    assert any("sight ops promote" in command for command in release.told()["release"]["commands"])


def test_a_bad_release_that_cannot_be_taken_back_says_so(release: Release) -> None:
    """Nobody believes that users are safe who are not."""
    second = release.first_share()
    release.requests(NEW, status=500)
    release.world.faults.failed_operations = 1
    release.walk().take(second)
    assert release.told()["release"]["title"] == f"api: {NEW} failed: it is NOT taken back"
    assert any(command.startswith("sight ops rollback api") for command in release.told()["release"]["commands"])


def test_taking_back_that_was_cut_off_and_is_refused_says_so(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: nobody waits for what is not to be."""
    second = release.first_share()
    release.requests(NEW, status=500)
    with pytest.raises(Unavailable):
        release.walk(dies="before").take(second)

    def refuse(*_: object) -> None:
        raise CloudRunRefused("Cloud Run refused: 403")

    monkeypatch.setattr(CloudRunRest, "service", refuse)
    for _ in range(2):
        release.walk().take(second)
    assert "NOT" in release.told()["release"]["title"]
    assert release.types().count("not_shifted") == 1


def test_monitoring_that_is_away_holds(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on blindly, and nobody is taken back for it; people are told at once."""
    monkeypatch.setattr("common.google_api.READ_SECONDS", 0.1)
    second = release.first_share()
    release.world.faults.monitoring_down = 10_000
    release.walk().take(second)
    assert release.serving() == {OLD: 90, NEW: 10}
    assert (release.row().state, release.row().holds) == ("walking", 1)
    assert (release.told()["release"]["status"], "could not be seen" in release.row().reason) == ("trouble", True)


def test_cloud_run_that_is_away_has_the_step_come_again(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known then, so nothing is decided."""
    monkeypatch.setattr("common.google_api.READ_SECONDS", 0.1)
    second = release.first_share()
    release.world.faults.reads_down = 10_000
    with pytest.raises(Unavailable):
        release.walk().take(second)
    assert release.row().state == "walking"


def test_a_service_that_is_gone_is_left_to_a_human(release: Release) -> None:
    """It would never come back by trying again."""
    second = release.first_share()
    del release.world.services[REGION, "api"]
    release.walk().take(second)
    assert release.row().state == "waiting"
    assert "there is no service api" in release.row().reason


def test_an_ill_stable_revision_excuses_the_new_one(release: Release) -> None:
    """A database that is down makes both fail: even with all the traffic nobody goes back."""
    second = release.first_share()
    release.health = release.stable_health = Health(up=False, detail="it says itself that database is down")
    release.requests(NEW, status=500)
    release.walk().take(second)
    assert release.row().state == "walking"
    assert release.told()["release"]["status"] == "trouble"
    assert "database is down" in release.row().reason
    release.health = Health(up=True, detail="up")
    release.stable_health = None
    release.world.samples.clear()
    assert release.go()[-1] == {NEW: 100}
    assert release.told()["release"]["status"] == "done"


def test_a_smoke_test_that_fails_for_an_ill_dependency_holds(release: Release) -> None:
    """The revision is not marked failed for what it cannot help, and is tried again."""
    release.smoke = Smoke(passed=False, detail="GET /health answered 503")
    release.stable_health = Health(up=False, detail="it says itself that database is down")
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    assert (release.row().state, release.row().holds) == ("smoke", 1)
    release.smoke = Smoke(passed=True, detail="all went well")
    assert release.go()[-1] == {NEW: 100}


def test_a_smoke_test_without_the_right_key_holds(release: Release) -> None:
    """It says nothing of the revision, and people are told what to look at."""
    release.smoke = Smoke(passed=False, detail="POST /api/v1/projects answered 401", judges=False)
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    assert release.row().state == "smoke"
    assert "API key" in release.row().reason
    assert "API key" in release.told()["release"]["text"]


def test_a_pause_is_told_once_and_tries_nothing(release: Release) -> None:
    """However long it lasts."""
    with release.engine.begin() as connection:
        views.set_paused(connection, "api", REGION, paused=True, by="ada", reason="wait")
    release.deploy()
    for _ in range(3):
        (step,) = release.due()
        release.walk().take(step)
    assert release.types().count("held") == 1
    assert release.tried == []
    with release.engine.begin() as connection:
        views.set_paused(connection, "api", REGION, paused=False, by="ada", reason="go on")
    assert release.go()[-1] == {NEW: 100}


def test_a_dry_run_touches_nothing(release: Release) -> None:
    """It says what it would do and leaves it to a human."""
    release.policy = replace(release.policy, dry_run=True)
    release.deploy()
    assert release.go() == [{OLD: 100}]
    assert release.row().reason.startswith(f"dry run: would send 10 % to {NEW}")
    assert release.world.patches == []


def test_a_bus_that_is_away_only_delays(release: Release) -> None:
    """The release is written down, and the sweep asks for what was not published."""
    release.bus.broken = True
    assert release.deploy() is not None
    release.bus.broken = False
    with release.engine.begin() as connection:
        connection.execute(text("UPDATE releases SET due_at = due_at - interval '1 hour'"))
    assert release.walk().overdue() == 1
    assert release.go()[-1] == {NEW: 100}


def test_many_instances_take_a_step_once(release: Release) -> None:
    """They look side by side, and one of them acts."""
    release.deploy()
    (first,) = release.due()
    release.world.faults.operation_seconds = 0.2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: release.walk().take(first), range(4)))
    assert release.serving() == {OLD: 90, NEW: 10}
    assert len(release.world.patches) == 1
    assert release.row().step == 1


def test_a_process_with_two_connections_releases_many_services_at_once(release: Release) -> None:
    """No thread waits for a connection that another one only gives back when it gets one itself."""
    services = [f"service-{number}" for number in range(6)]
    for name in services:
        release.world.deploy(name, OLD, created=time.time() - 7200)
        release.world.set_traffic(name, [{"type": NAMED, "revision": OLD, "percent": 100}])
        release.world.deploy(name, NEW, no_traffic=True, tag="candidate")
    engine = connect(release.engine.url.render_as_string(hide_password=False), pool_size=2)
    ensure_schema(engine)
    bus = EmbeddedBus(engine)
    walk = replace(release.walk(), engine=engine, bus=bus, policies=dict.fromkeys(services, release.policy))
    events = [ReleaseDeployed(service=name, region=REGION, tag="candidate") for name in services]
    with ThreadPoolExecutor(len(services)) as pool:
        assert all(pool.map(walk.begin, events))
    published = [each.delivery.subscription for each in bus.receive(100, owner="test")]
    assert published.count("sight-releases-rollout") == len(services)
    engine.dispose()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_delivered_however_often_and_whoever_dies(release: Release, seed: int) -> None:
    """Steps that come twice, late, in any order and side by side, to processes that are killed halfway: a good release
    reaches all the traffic and a bad one none, each share is set once, and nothing is left over."""
    rng = random.Random(seed)
    good = bool(seed % 2)
    release.deploy()
    waiting = release.due() * 2
    for _ in range(MOST_DELIVERIES):
        if not waiting:
            with release.engine.begin() as connection:
                connection.execute(text("UPDATE releases SET due_at = due_at - interval '1 hour'"))
                connection.execute(text("UPDATE traffic_changes SET created_at = created_at - interval '1 hour'"))
            if not release.walk().overdue():
                break
            waiting = release.due()
        release.requests(NEW, status=200 if good else 500)
        release.requests(OLD)
        batch = [waiting.pop(rng.randrange(len(waiting))) for _ in range(min(len(waiting), rng.randint(1, 3)))]
        with ThreadPoolExecutor(3) as pool:
            ends = list(pool.map(lambda event: deliver(release, event, rng), batch))
        waiting += [event for event, done in zip(batch, ends, strict=True) if not done and rng.random() < 0.5]
        waiting += [event for event in release.due() for _ in range(rng.randint(0, 2))]
    assert not waiting
    row: Any = release.row()
    assert (row.state, release.serving()) == (("promoted", {NEW: 100}) if good else ("failed", {OLD: 100}))
    shares = [share_of_new(patch["traffic"]) for patch in release.world.patches]
    assert shares == ([10, 50, 100] if good else [10, 0])
    tags = {t["tag"]: t["revision"] for t in release.world.services[REGION, "api"].traffic if "tag" in t}
    assert tags["candidate"] == NEW
    assert good or tags[failed_tag(NEW)] == NEW


def deliver(release: Release, event: ReleaseStepDue, rng: random.Random) -> bool:
    """Delivers a step to a process that may be killed, and returns whether it acknowledged."""
    fates: tuple[Literal["", "before", "after"], ...] = ("", "", "before", "after")
    try:
        release.walk(dies=rng.choice(fates)).take(event)
    except SightError:
        return False
    return True


def share_of_new(traffic: list[dict[str, Any]]) -> int:
    """The percent that the new revision gets."""
    return sum(target.get("percent", 0) for target in traffic if target.get("revision") == NEW)
