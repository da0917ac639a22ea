"""A release from its deployment to all the traffic, or away from it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from common.cloud_run.port import CloudRunUnavailable
from common.releases import store
from common.releases.events import ReleaseDeployed, ReleaseStepDue
from common.releases.smoke import Smoke
from common.releases.traffic import failed_tag
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.integration.releases.conftest import REGION
from tests.integration.releases.walking import NEW, OLD, Release, deployed


@pytest.fixture
def release(engine: Engine, cloud_run_server: CloudRunServer, world: World) -> Release:
    """A new revision that was just deployed with a tag."""
    return deployed(engine, cloud_run_server, world)


def test_a_good_release_walks_to_all_the_traffic(release: Release) -> None:
    """Tried first, then 10, 50 and 100 percent, and at its end it is the one to go back to."""
    assert release.deploy() is not None
    assert release.go() == [{OLD: 90, NEW: 10}, {OLD: 50, NEW: 50}, {NEW: 100}, {NEW: 100}]
    row = release.row()
    assert (row.state, row.percent, row.previous) == ("promoted", 100, OLD)
    assert row.promoted_at is not None
    assert release.types() == [
        "deployed",
        *(f"{done}_{percent}" for percent in (10, 50, 100) for done in ("shifting", "shifted")),
        "promoted",
    ]
    tags = {t["tag"]: t["revision"] for t in release.world.services[REGION, "api"].traffic if "tag" in t}
    assert tags == {"candidate": NEW, "stable": NEW, "previous": OLD}
    assert release.tried == ["https://candidate---api-x.a.run.app"]


def test_a_failed_smoke_test_shows_no_user_anything(release: Release) -> None:
    """It gets no traffic, is marked failed for ever, and people are told what failed."""
    release.smoke = Smoke(passed=False, detail="GET /startup answered 500")
    release.deploy()
    assert release.go() == [{OLD: 100}]
    assert (release.row().state, release.row().percent) == ("failed", 0)
    assert "GET /startup answered 500" in release.row().reason
    tags = {t["tag"]: t["revision"] for t in release.world.services[REGION, "api"].traffic if "tag" in t}
    assert tags[failed_tag(NEW)] == NEW
    assert release.deploy() is None
    assert release.due() == []


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"status": 500}, "100.0% of the answers are 5xx"),
        ({"milliseconds": 5000.0}, "p95 is 5,000 ms"),
    ],
)
def test_a_bad_release_is_taken_back_at_its_first_share(release: Release, how: dict[str, Any], said: str) -> None:
    """What it does to 10 percent of the users, it does to nobody else."""
    release.deploy()
    assert release.go(**how) == [{OLD: 90, NEW: 10}, {OLD: 100}]
    assert release.row().state == "failed"
    assert said in release.row().reason
    with release.engine.connect() as connection:
        assert NEW in store.history(connection, "api", REGION, release.walk().clock()).failed


def test_crashing_instances_are_taken_back(release: Release) -> None:
    """However well the requests that survive are answered."""
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    release.world.crashes += [(time.time(), "api", REGION, NEW)] * 3
    time.sleep(0.01)
    assert release.go() == [{OLD: 100}]
    assert release.row().reason == "3 instances crashed"


def test_three_failed_health_checks_are_enough(release: Release) -> None:
    """One or two are not."""
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    release.health = None
    assert release.go() == [{OLD: 90, NEW: 10}, {OLD: 90, NEW: 10}, {OLD: 100}]
    assert release.row().reason == "3 health checks in a row failed"


def test_too_few_requests_hold_until_a_human_is_asked(release: Release) -> None:
    """Nothing is decided on nothing."""
    release.policy = replace(release.policy, max_holds=3)
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    assert release.go(count=3) == [{OLD: 90, NEW: 10}] * 3
    assert release.row().state == "waiting"
    assert "requests are too few to judge" in release.row().reason


def test_trouble_of_both_revisions_takes_nobody_back(release: Release) -> None:
    """What both stand on is down: the old one would not do better."""
    release.policy = replace(release.policy, max_holds=2)
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    assert release.go(status=500, stable_status=503) == [{OLD: 90, NEW: 10}] * 2
    assert release.row().state == "waiting"
    assert "of the stable revision's" in release.row().reason


def test_a_humans_change_is_respected(release: Release) -> None:
    """The traffic stays where they sent it, and the release says who they are."""
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    release.world.set_traffic(
        "api",
        [{"type": NAMED, "revision": OLD, "percent": 70}, {"type": NAMED, "revision": NEW, "percent": 30}],
        modifier="ada@example.com",
    )
    assert release.go() == [{OLD: 70, NEW: 30}]
    assert release.row().state == "replaced"
    assert "ada@example.com moved the traffic" in release.row().reason


def test_a_step_that_comes_twice_or_late_is_taken_once(release: Release) -> None:
    """Each step is one change of traffic, whoever else has its event."""
    release.deploy()
    (first,) = release.due()
    for _ in range(3):
        release.walk().take(first)
        release.requests(NEW)
    assert release.serving() == {OLD: 90, NEW: 10}
    assert len(release.world.patches) == 1
    assert (release.row().step, len(release.due())) == (1, 1)
    release.walk().take(ReleaseStepDue(release_id=first.release_id, step=7))
    assert len(release.world.patches) == 1


def test_a_revision_that_is_announced_twice_is_released_once(release: Release) -> None:
    """By tag or by name."""
    assert release.deploy() is not None
    assert release.deploy(tag=None) is None
    assert len(release.due()) == 1


def test_a_newer_revision_takes_the_place_of_one_on_its_way(release: Release) -> None:
    """The older one's steps come to nothing."""
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    (second,) = release.due()
    release.world.deploy("api", "api-3", no_traffic=True, tag="next")
    release.deploy(tag="next")
    assert release.row().state == "replaced"
    before = len(release.world.patches)
    release.walk().take(second)
    assert len(release.world.patches) == before


def test_a_change_that_was_asked_for_is_finished_by_whoever_comes_next(release: Release) -> None:
    """A process that died between writing down and moving loses nothing and moves nothing twice."""
    release.deploy()
    (first,) = release.due()
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies="before").take(first)
    assert release.serving() == {OLD: 100}
    release.walk().take(first)
    assert release.serving() == {OLD: 90, NEW: 10}
    assert len(release.world.patches) == 1
    assert len(release.due()) == 1


def test_paused_automation_waits(release: Release) -> None:
    """Nothing moves until it is resumed, and then the walk goes on."""
    release.policy = replace(release.policy, automatic=False)
    release.deploy()
    (first,) = release.due()
    release.walk().take(first)
    assert release.serving() == {OLD: 100}
    release.policy = replace(release.policy, automatic=True)
    assert release.go()[-1] == {NEW: 100}


def test_a_step_that_was_lost_is_asked_for_again(release: Release) -> None:
    """The sweep finds what is overdue."""
    release.deploy()
    release.due()
    with release.engine.begin() as connection:
        connection.execute(text("UPDATE releases SET due_at = now() - interval '1 hour' WHERE state = 'smoke'"))
    assert release.walk().overdue() == 1
    assert len(release.due()) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"service": "web"}, "web has no policy"),
        ({"region": "us-east1"}, "no service api in us-east1"),
        ({"revision": "api-9"}, "no revision api-9"),
        ({"revision": OLD}, "has traffic already"),
    ],
)
def test_what_cannot_be_released_is_told(release: Release, change: dict[str, str], said: str) -> None:
    """Whoever deploys learns why nothing happens."""
    event = ReleaseDeployed(**({"service": "api", "region": REGION, "revision": NEW} | change))
    assert release.walk().begin(event) is None
    with release.engine.connect() as connection:
        (told,) = connection.execute(text("SELECT message ->> 'text' FROM notifications")).scalars()
    assert said in told
