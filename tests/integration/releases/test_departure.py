"""Which releases may begin, and what engineers may have of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import pytest
from sqlalchemy import Engine, text

from common.errors import Unavailable
from common.releases.departure import NotReadyYet, Refused
from common.releases.events import ReleaseDeployed, ReleaseStepDue
from common.releases.smoke import Smoke
from tests.fakes.cloud_run.faults import Refused as RefusedByCloudRun
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.integration.releases.conftest import REGION
from tests.integration.releases.walking import NEW, OLD, Release, deployed


@pytest.fixture
def release(engine: Engine, cloud_run_server: CloudRunServer, world: World) -> Release:
    """A new revision that was just deployed with a tag."""
    return deployed(engine, cloud_run_server, world)


def test_a_newer_revision_sends_the_users_of_the_older_one_back(release: Release) -> None:
    """They are on the stable one while the newer is tried, which then takes over from the stable one."""
    second = release.first_share()
    release.world.deploy("api", "api-3", no_traffic=True, tag="candidate-3")
    release.deploy(tag="candidate-3")
    assert release.serving() == {OLD: 100}
    assert (release.row().state, release.row("api-3").previous) == ("replaced", OLD)
    release.walk().take(second)
    (step,) = release.due()
    release.walk().take(step)
    assert release.serving() == {OLD: 90, "api-3": 10}


def test_an_older_revision_does_not_replace_a_newer_one(release: Release) -> None:
    """Its announcement comes late, that is all."""
    release.world.deploy("api", "api-3", no_traffic=True, tag="candidate-3")
    release.deploy(tag="candidate-3")
    assert release.deploy() is None
    assert release.row("api-3").state == "smoke"
    assert release.told()["refused"]["text"] == f"{NEW} is older than api-3"


@pytest.mark.parametrize(
    ("traffic", "event", "said"),
    [
        ({OLD: 60, "api-0": 40}, {"revision": NEW}, "a release begins where one revision has all of it"),
        ({OLD: 100}, {"revision": NEW}, "has no tag"),
        (None, {"revision": OLD, "tag": "candidate"}, f"the tag candidate of api is on {NEW}"),
        (None, {"tag": "nothing"}, "is on no revision"),
    ],
)
def test_what_cannot_depart_is_refused(
    release: Release, traffic: dict[str, int] | None, event: dict[str, str], said: str
) -> None:
    """With the reason, where people read it, and without any trace of a release."""
    release.world.deploy("api", "api-0", created=time.time() - 9000, no_traffic=True)
    if traffic is not None:
        release.move_by_hand(traffic, by="deployer@project.iam.gserviceaccount.com")
    assert release.walk().begin(ReleaseDeployed(service="api", region=REGION, **event)) is None
    assert said in release.told()["refused"]["text"]
    assert release.due() == []


def test_a_revision_that_is_not_ready_yet_is_asked_for_again(release: Release) -> None:
    """For five minutes; then it is refused, with what Cloud Run says of it."""
    now = time.time()
    release.world.deploy("api", "api-3", no_traffic=True, tag="c3", ready=False, message="deploying", created=now)
    with pytest.raises(NotReadyYet):
        release.deploy(tag="c3")
    release.world.services[REGION, "api"].revisions["api-3"].created = now - 301
    assert release.deploy(tag="c3") is None
    assert release.told()["refused"]["text"] == "api-3 is not ready: deploying"


def test_an_engineer_lets_a_release_go_on_that_waits(release: Release) -> None:
    """From the share it has, with its looks counted anew."""
    release.policy = replace(release.policy, max_holds=1)
    release.first_share()
    release.walk().take(ReleaseStepDue(release_id=release.row().id, step=release.row().step))
    assert release.row().state == "waiting"
    event = ReleaseDeployed(service="api", region=REGION, revision=NEW)
    assert release.walk().release(event) is None
    begun = release.walk().release(event, by="ada")
    assert begun is not None
    assert (begun.state, begun.percent, begun.holds) == ("walking", 10, 0)
    assert release.go()[-1] == {NEW: 100}


def test_an_engineer_has_a_revision_tried_again_that_was_replaced(release: Release) -> None:
    """From its beginning; one that failed never is."""
    second = release.first_share()
    release.world.set_traffic(
        "api",
        [{"type": NAMED, "revision": OLD, "percent": 100}, {"type": NAMED, "revision": NEW, "tag": "candidate"}],
        modifier="ada@example.com",
    )
    release.walk().take(second)
    assert release.row().state == "replaced"
    event = ReleaseDeployed(service="api", region=REGION, tag="candidate")
    begun = release.walk().release(event, by="ada")
    assert begun is not None
    assert (begun.state, begun.percent) == ("smoke", 0)
    assert release.go()[-1] == {NEW: 100}


def test_a_revision_that_failed_is_refused_to_engineers_too(release: Release) -> None:
    """By what Postgres knows or by the tag that it has."""
    release.smoke = Smoke(passed=False, detail="no")
    release.deploy()
    release.go()
    with release.engine.begin() as connection:
        connection.execute(text("DELETE FROM release_events"))
        connection.execute(text("DELETE FROM traffic_changes"))
        connection.execute(text("DELETE FROM releases"))
    with pytest.raises(Refused, match="marked failed"):
        release.walk().release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="ada")


def test_a_release_whose_share_was_refused_can_be_aborted_and_goes_on(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits with the share that it has, not with the one it was to get."""
    second = release.first_share()
    release.requests(NEW)
    release.requests(OLD)
    with monkeypatch.context() as refusing:
        refusing.setattr(World, "_refuse", _no_permission)
        release.walk().take(second)
    assert (release.row().state, release.row().percent) == ("waiting", 10)
    assert release.serving() == {OLD: 90, NEW: 10}
    begun = release.walk().release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="ada")
    assert begun is not None
    assert (begun.state, begun.percent) == ("walking", 10)
    release.walk().abort("api", REGION, by="ada", reason="enough")
    assert release.serving() == {OLD: 100}


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_release_that_was_cut_off_can_be_aborted(release: Release, dies: Literal["before", "after"]) -> None:
    """Whether the traffic moved before the process died or not, and nothing is finished afterwards."""
    second = release.first_share()
    release.requests(NEW)
    release.requests(OLD)
    with pytest.raises(Unavailable):
        release.walk(dies=dies).take(second)
    release.walk().abort("api", REGION, by="ada", reason="wrong branch")
    assert release.serving() == {OLD: 100}
    release.walk().take(second)
    assert release.serving() == {OLD: 100}
    assert release.row().state == "replaced"


def _no_permission(*_: object) -> None:
    raise RefusedByCloudRun(403, "Permission 'run.services.update' denied")


def test_an_engineer_aborts_a_release(release: Release) -> None:
    """Its users go back, and its revision is not marked failed."""
    second = release.first_share()
    release.walk().abort("api", REGION, by="ada", reason="wrong branch")
    assert release.serving() == {OLD: 100}
    assert (release.row().state, release.row().reason) == ("replaced", "ada ended it: wrong branch")
    release.walk().take(second)
    assert release.serving() == {OLD: 100}
    with pytest.raises(Refused, match="no release of api is under way"):
        release.walk().abort("api", REGION, by="ada", reason="once more")
