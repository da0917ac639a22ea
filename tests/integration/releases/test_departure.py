"""Which releases may begin, and what engineers may have of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import pytest
from sqlalchemy import Engine, text

from common.cloud_run.absent import AbsentCloudRun
from common.cloud_run.rest import CloudRunRest
from common.errors import Unavailable
from common.releases import by_hand, views
from common.releases.departure import NotReadyYet, Refused
from common.releases.events import ReleaseDeployed, ReleaseStepDue
from common.releases.smoke import Smoke
from tests.fakes.cloud_run.faults import Refused as RefusedByCloudRun
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.integration.releases.conftest import REGION, Watch
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


@pytest.fixture
def refused(release: Release) -> Release:
    """A release whose step to all the traffic Cloud Run did not make: it waits for a human with half of it. A newer
    revision is deployed by then and not announced yet."""
    second = release.first_share()
    release.requests(NEW)
    release.requests(OLD)
    release.walk().take(second)
    (third,) = release.due()
    release.world.deploy("api", "api-3", no_traffic=True, tag="candidate-3")
    release.world.faults.failed_operations = 1
    release.requests(NEW)
    release.requests(OLD)
    release.walk().take(third)
    assert (release.row().state, release.row().percent) == ("waiting", 50)
    assert release.serving() == {OLD: 50, NEW: 50}
    return release


def finish(release: Release) -> None:
    """Sends all the traffic where the release could not, as a human does by gcloud."""
    release.world.set_traffic(
        "api",
        [
            {"type": NAMED, "revision": NEW, "percent": 100},
            {"type": NAMED, "revision": "api-3", "tag": "candidate-3"},
        ],
        modifier="ada@example.com",
    )


def announce(release: Release, revision: str) -> None:
    """Deploys a newer revision and announces it."""
    release.world.deploy("api", revision, no_traffic=True, tag=f"candidate-{revision}")
    release.deploy(tag=f"candidate-{revision}")


@pytest.mark.parametrize("deployed_after", [False, True])
def test_what_a_human_finished_is_where_the_next_release_departs_from(refused: Release, deployed_after: bool) -> None:
    """They sent all the traffic where Sight could not: nobody goes back from there for a newer revision, though its
    deployment is the last change of the service and was made by somebody else."""
    finish(refused)
    newer = "api-4" if deployed_after else "api-3"
    if deployed_after:
        announce(refused, newer)
    else:
        refused.deploy(tag="candidate-3")
    assert refused.serving() == {NEW: 100}
    assert (refused.row(newer).state, refused.row(newer).previous) == ("smoke", NEW)
    assert refused.row().state == "promoted"


def test_what_the_next_deployment_finished_is_where_that_one_departs_from(refused: Release) -> None:
    """Cloud Run tries all it was asked for again: it cannot be told from what a human did, and is not undone either."""
    announce(refused, "api-4")
    assert refused.serving() == {NEW: 100}
    assert refused.row("api-4").previous == NEW


def test_what_a_human_finished_is_left_by_an_abort(refused: Release) -> None:
    """And whoever aborts it is told, or they would believe that the users are back."""
    finish(refused)
    refused.walk().abort("api", REGION, by="ada", reason="tidy up")
    assert refused.serving() == {NEW: 100}
    assert refused.row().reason == "ada ended it: tidy up; somebody else moved the traffic: it is left as it is now"


def test_what_a_human_finished_is_not_released_again(refused: Release) -> None:
    """It has all the traffic already, and goes back to no share that it had before."""
    finish(refused)
    with pytest.raises(Refused, match="has traffic already"):
        refused.walk().release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="ada")
    assert refused.serving() == {NEW: 100}


@pytest.mark.parametrize("how", ["abort", "deploy"])
def test_a_step_that_was_refused_and_nobody_finished_goes_back(refused: Release, how: str) -> None:
    """Though it is still what Cloud Run was asked for last."""
    if how == "abort":
        refused.walk().abort("api", REGION, by="ada", reason="enough")
    else:
        refused.deploy(tag="candidate-3")
    assert refused.serving() == {OLD: 100}


def test_what_failed_before_a_release_began_again_is_not_what_it_left(release: Release) -> None:
    """Somebody who moves the traffic to where it was then is somebody, and the list has what began last first."""
    second = release.first_share()
    release.requests(NEW)
    release.requests(OLD)
    release.world.faults.failed_operations = 1
    release.walk().take(second)
    stable, candidate = (
        {"type": NAMED, "revision": OLD, "percent": 100},
        {"type": NAMED, "revision": NEW, "tag": "candidate"},
    )
    release.world.set_traffic("api", [stable, candidate], modifier="ada@example.com")
    announce(release, "api-3")
    release.walk().release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="ada")
    assert (release.row().state, release.row("api-3").state) == ("smoke", "replaced")
    with release.engine.connect() as connection:
        listed = views.releases(connection, service="api", region=REGION, limit=10)
    assert listed[0]["revision"] == NEW
    release.move_by_hand({OLD: 90, NEW: 10})
    announce(release, "api-4")
    assert release.serving() == {OLD: 90, NEW: 10}
    assert "a release begins where one revision has all of it" in release.told()["refused"]["text"]


def test_who_moved_the_traffic_before_a_release_began_again_does_not_count(release: Release) -> None:
    """What ends it is told with the name of who ended it now."""
    second = release.first_share()
    watch = Watch(release.engine, release.server, release.world, release.bus)
    by_hand.promote(watch.rollback(), "api", REGION, revision=OLD, reason="not now", by="ada")
    release.walk().take(second)
    assert (release.row().state, release.row().reason) == (
        "replaced",
        "ada moved the traffic: it is left as it is now",
    )
    release.walk().release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="bob")
    (first,) = release.due()
    release.walk().take(first)
    (second,) = release.due()
    release.move_by_hand({OLD: 70, NEW: 30}, by="eve@example.com")
    release.walk().take(second)
    assert (release.row().state, release.row().reason) == (
        "replaced",
        "eve@example.com moved the traffic: it is left as it is now",
    )


@pytest.mark.parametrize("where", ["forbidden", "nowhere"])
def test_a_cloud_run_that_says_no_is_told(release: Release, where: str) -> None:
    """The event does not come again, so that whoever deploys has to learn that nothing happens."""
    cloud_run = AbsentCloudRun() if where == "nowhere" else CloudRunRest("another", endpoint=release.server.url)
    walk = replace(release.walk(), cloud_run=cloud_run)
    assert walk.begin(ReleaseDeployed(service="api", region=REGION, tag="candidate")) is None
    said = release.told()["refused"]["text"]
    assert ("there is no Cloud Run here" if where == "nowhere" else "Cloud Run refused: 403") in said
    assert release.types() == ["refused"]
