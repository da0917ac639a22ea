"""What engineers ask of releases while Cloud Run is away: it does not come again as an event of the bus does."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from sqlalchemy import Engine, text

from common.cloud_run.port import CloudRunUnavailable
from common.releases.departure import Refused
from common.releases.events import ReleaseDeployed
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import World
from tests.integration.releases.conftest import REGION
from tests.integration.releases.walking import NEW, OLD, Release, deployed


@pytest.fixture
def release(engine: Engine, cloud_run_server: CloudRunServer, world: World) -> Release:
    """A new revision that was just deployed with a tag."""
    return deployed(engine, cloud_run_server, world)


def abort(release: Release, dies: Literal["", "before", "after"] = "") -> None:
    """Ends the release that is under way."""
    release.walk(dies=dies).abort("api", REGION, by="ada", reason="wrong branch")


def replace_it(release: Release, by: str | None, dies: Literal["", "before"] = "") -> None:
    """Has a third revision take the place of the one on its way, as an event or an engineer does."""
    release.world.deploy("api", "api-3", no_traffic=True, tag="candidate-3")
    event = ReleaseDeployed(service="api", region=REGION, tag="candidate-3")
    walk = release.walk(dies=dies)
    if by is None:
        walk.begin(event)
    else:
        walk.release(event, by=by)


@pytest.mark.parametrize("dies", ["before", "after"])
def test_an_abort_that_was_cut_off_is_finished_in_a_moment(release: Release, dies: Literal["before", "after"]) -> None:
    """Whether the traffic had moved by then or not: users do not wait for the sweep."""
    release.first_share()
    with pytest.raises(CloudRunUnavailable):
        abort(release, dies)
    (finish,) = release.due()
    assert release.bus.delays[-1] == 5.0
    for _ in range(2):
        release.walk().take(finish)
        assert release.serving() == {OLD: 100}
    assert (release.row().state, release.row().reason) == ("replaced", "ada ended it: wrong branch")
    assert len(release.world.patches) == 2
    assert release.due() == []


def test_an_abort_that_was_cut_off_can_be_asked_for_again(release: Release) -> None:
    """It is the same one that is finished; after that there is none."""
    release.first_share()
    with pytest.raises(CloudRunUnavailable):
        abort(release, "before")
    abort(release)
    assert release.serving() == {OLD: 100}
    (finish,) = release.due()
    release.walk().take(finish)
    assert len(release.world.patches) == 2
    with pytest.raises(Refused, match="no release of api is under way"):
        abort(release)


def test_an_abort_that_was_cut_off_with_the_bus_away_is_left_to_the_sweep(release: Release) -> None:
    """The engineer is told that it is not done yet, which is what they have to know."""
    release.first_share()
    release.bus.broken = True
    with pytest.raises(CloudRunUnavailable):
        abort(release, "before")
    release.bus.broken = False
    with release.engine.begin() as connection:
        connection.execute(text("UPDATE traffic_changes SET created_at = created_at - interval '1 hour'"))
    assert release.walk().overdue() == 1
    release.go()
    assert release.serving() == {OLD: 100}


@pytest.mark.parametrize("by", [None, "ada"])
def test_a_release_that_was_cut_off_goes_on_in_a_moment(release: Release, by: str | None) -> None:
    """The users of the one it replaces go back first. Whoever announces it again only hears that it is known."""
    release.first_share()
    with pytest.raises(CloudRunUnavailable):
        replace_it(release, by, "before")
    assert release.serving() == {OLD: 90, NEW: 10}
    (finish,) = release.due()
    assert release.deploy(tag="candidate-3") is None
    release.walk().take(finish)
    assert release.serving() == {OLD: 100}
    (first,) = release.due()
    release.walk().take(first)
    assert release.serving() == {OLD: 90, "api-3": 10}


def test_what_finishes_a_change_takes_no_step_before_its_time(release: Release) -> None:
    """However often it is delivered: the share is watched for as long as any other."""
    release.policy = replace(release.policy, step_seconds=60.0)
    second = release.first_share()
    release.requests(NEW)
    release.requests(OLD)
    release.world.faults.failed_operations = 1
    release.walk().take(second)
    assert (release.row().state, release.row().percent) == ("waiting", 10)
    with pytest.raises(CloudRunUnavailable):
        release.walk(dies="before").release(ReleaseDeployed(service="api", region=REGION, revision=NEW), by="ada")
    (finish,) = release.due()
    release.requests(NEW)
    release.requests(OLD)
    for _ in range(3):
        release.walk().take(finish)
    assert (release.row().state, release.row().percent) == ("walking", 10)
    assert release.serving() == {OLD: 90, NEW: 10}
    assert [event.step for event in release.due()] == [release.row().step]
    assert release.bus.delays[-1] == 60.0


def test_an_abort_sends_the_users_of_a_replaced_revision_back_as_well(release: Release) -> None:
    """They were to go back when the newer one began, which was cut off, and nobody else looks after them now."""
    release.first_share()
    with pytest.raises(CloudRunUnavailable):
        replace_it(release, "ada", "before")
    abort(release)
    assert release.serving() == {OLD: 100}
    (finish,) = release.due()
    release.walk().take(finish)
    assert (release.row().state, release.row("api-3").state) == ("replaced", "replaced")
    assert release.due() == []
