"""Alerts on a service whose new revision is on its way, or was just taken back by its release."""

from __future__ import annotations

import json
import time

import pytest
from sqlalchemy import Engine, text

from common.releases import store
from common.releases.events import ReleaseDeployed
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import World
from tests.integration.releases.conftest import REGION, Watch, notification
from tests.integration.releases.walking import NEW, OLD, Release, deployed

OLDER = "api-0"


@pytest.fixture
def release(engine: Engine, cloud_run_server: CloudRunServer, world: World) -> Release:
    """A new revision on top of two that were promoted."""
    found = deployed(engine, cloud_run_server, world)
    world.deploy("api", OLDER, created=time.time() - 9000, no_traffic=True, tag="older")
    with engine.begin() as connection:
        for revision in (OLDER, OLD):
            store.mark_promoted(connection, "api", REGION, revision, "had the traffic before")
    return found


@pytest.fixture
def watch(release: Release) -> Watch:
    """The rollback beside it."""
    return Watch(release.engine, release.server, release.world, release.bus)


def of_an_uptime_check() -> bytes:
    """A notification that names no revision, for an uptime check knows none."""
    incident = {
        "incident_id": "u1",
        "state": "open",
        "started_at": int(time.time()) - 60,
        "policy_user_labels": {"sight_rollback": "true", "sight_kind": "health", "service": "api", "region": REGION},
        "resource": {"type": "uptime_url", "labels": {"host": "api.run.app", "project_id": "p"}},
    }
    return json.dumps({"version": "1.2", "incident": incident}).encode()


@pytest.mark.parametrize("alert", [notification("late", revision=None), of_an_uptime_check()])
def test_an_alert_about_what_a_release_took_back_does_not_fall_on_the_stable_revision(
    release: Release, watch: Watch, alert: bytes
) -> None:
    """It comes a little later, names no revision, and the newest that serves is the good one by then."""
    release.deploy()
    release.go(status=500)
    assert release.row().state == "failed"
    decision = watch.answer(alert)
    assert (decision.action, decision.code) == ("none", "already_rolled_back")
    assert release.serving() == {OLD: 100}
    assert release.row(OLD).state == "promoted"


def test_an_alert_that_begins_after_that_is_left_to_a_human_for_a_while(release: Release, watch: Watch) -> None:
    """Metrics lag: what begins now may still be of the revision that is gone."""
    release.deploy()
    release.go(status=500)
    later = json.loads(of_an_uptime_check())
    later["incident"]["started_at"] = int(time.time()) + 2
    assert watch.answer(json.dumps(later).encode()).code == "cooling_down"
    assert release.serving() == {OLD: 100}


def test_a_promotion_is_no_rollback(release: Release, watch: Watch) -> None:
    """A revision that breaks once it has all the traffic is taken back at once."""
    release.deploy()
    release.go()
    assert release.row().state == "promoted"
    watch.requests(NEW)
    decision = watch.answer(notification(revision=NEW))
    assert (decision.action, decision.target) == ("roll_back", OLD)


def test_a_revision_deployed_long_before_its_release_is_to_blame(release: Release, watch: Watch) -> None:
    """It was tried for two days without users, and has had some for minutes."""
    with release.world.lock:
        revisions = release.world.services[REGION, "api"].revisions
        for name, days in ((OLDER, 9), (OLD, 8), (NEW, 2)):
            revisions[name].created = time.time() - days * 86_400
    release.first_share()
    watch.requests(NEW)
    decision = watch.answer(notification(revision=NEW))
    assert (decision.action, decision.target) == ("roll_back", OLD)
    assert release.serving() == {OLD: 100}


@pytest.mark.parametrize("before", ["replaced", "promoted"])
def test_a_revision_that_is_released_again_is_to_blame(release: Release, watch: Watch, before: str) -> None:
    """It began days ago, or was promoted by then, and has had users again for minutes."""
    release.first_share()
    release.walk().abort("api", REGION, by="ada", reason="later")
    with release.engine.begin() as connection:
        for statement in (
            "UPDATE releases SET created_at = created_at - interval '3 days'",
            "UPDATE traffic_changes SET created_at = created_at - interval '3 days', verified_at = NULL",
        ):
            connection.execute(text(statement))
        if before == "promoted":
            connection.execute(text("UPDATE releases SET promoted_at = created_at WHERE revision = :r"), {"r": NEW})
    release.walk().release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="ada")
    (first,) = release.due()
    release.walk().take(first)
    assert release.serving() == {OLD: 90, NEW: 10}
    watch.requests(NEW)
    decision = watch.answer(notification(revision=NEW))
    assert (decision.action, decision.target) == ("roll_back", OLD)


@pytest.fixture
def newer(release: Release) -> Release:
    """A third revision that took the place of the second, which nobody complained of, and has its first share."""
    release.first_share()
    release.world.deploy("api", "api-3", no_traffic=True, tag="candidate-3")
    release.deploy(tag="candidate-3")
    (first,) = release.due()
    release.walk().take(first)
    assert release.serving() == {OLD: 90, "api-3": 10}
    return release


def test_a_revision_that_took_the_place_of_a_healthy_one_is_taken_back_at_once(newer: Release, watch: Watch) -> None:
    """Nothing was rolled back before, so that nothing has to cool down."""
    watch.requests("api-3")
    decision = watch.answer(notification(revision="api-3"))
    assert (decision.action, decision.target) == ("roll_back", OLD)
    assert newer.serving() == {OLD: 100}


@pytest.mark.parametrize(("seconds", "code"), [(-60, "already_rolled_back"), (2, "rolled_back")])
def test_an_alert_from_before_a_newer_revision_falls_on_nobody(
    newer: Release, watch: Watch, seconds: int, code: str
) -> None:
    """It names no revision, and those it may be about have no users any more; what begins now is of the newer one."""
    alert = json.loads(of_an_uptime_check())
    alert["incident"]["started_at"] = int(time.time()) + seconds
    assert watch.answer(json.dumps(alert).encode()).code == code
    assert newer.row(OLD).state == "promoted"
    assert newer.serving() == ({OLD: 100} if code == "rolled_back" else {OLD: 90, "api-3": 10})
