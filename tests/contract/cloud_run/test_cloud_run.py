"""Reading services and moving their traffic, on the wire."""

from __future__ import annotations

import threading
import time

import pytest

from common.cloud_run.port import CloudRunUnavailable, ServiceNotFound, Target, TrafficNotMoved
from common.cloud_run.rest import CloudRunRest
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.fixtures.eventually import eventually

REGION = "europe-central2"


@pytest.fixture
def cloud_run(cloud_run_server: CloudRunServer) -> CloudRunRest:
    """The adapter, impatient."""
    return CloudRunRest("sight-local", endpoint=cloud_run_server.url, move_seconds=5.0)


@pytest.fixture(autouse=True)
def _three_revisions(world: World) -> None:
    now = time.time()
    for age, name in enumerate(("api-1", "api-2", "api-3")):
        world.deploy("api", name, created=now - 300 + age, message="" if age else "old")
    world.set_traffic("api", [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}])


def back_to(revision: str) -> list[Target]:
    """All traffic to a revision."""
    return [Target(revision, 100)]


def test_a_service_is_read_with_all_its_revisions_newest_first(cloud_run: CloudRunRest, world: World) -> None:
    """However many pages they are on, with what each is called in short and whether it is ready."""
    world.deploy("api", "api-4", ready=False, message="The container failed to start.")
    found = cloud_run.service("api", REGION)
    assert [revision.name for revision in found.revisions] == ["api-4", "api-3", "api-2", "api-1"]
    assert [revision.ready for revision in found.revisions] == [False, True, True, True]
    assert found.revisions[0].reason == "The container failed to start."
    assert (found.name, found.region, found.latest_ready, found.reconciling) == ("api", REGION, "api-3", False)


def test_the_latest_serves_where_a_status_names_no_revision(cloud_run: CloudRunRest) -> None:
    """A status of type LATEST has no revision: it is the latest that is ready."""
    found = cloud_run.service("api", REGION)
    assert found.statuses == (Target(None, 100),)
    assert found.serving == {"api-3": 100}


def test_what_was_the_latest_can_be_named(cloud_run: CloudRunRest, world: World) -> None:
    """Its share by name, its tag as it is."""
    latest = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    world.set_traffic(
        "api",
        [{"type": latest, "percent": 60, "tag": "next"}, {"type": NAMED, "revision": "api-1", "percent": 40}],
    )
    found = cloud_run.service("api", REGION)
    assert found.named == (Target("api-3", 60), Target(None, 0, "next"), Target("api-1", 40))


def test_traffic_is_moved_and_tags_are_where_they_are_sent(cloud_run: CloudRunRest, world: World) -> None:
    """The service is returned as it then is, with the address of each tag."""
    found = cloud_run.move("api", REGION, [Target("api-2", 90), Target("api-3", 10), Target("api-1", 0, "theirs")])
    assert found.serving == {"api-2": 90, "api-3": 10}
    tagged = found.tagged("theirs")
    assert tagged is not None
    assert (tagged.revision, tagged.uri) == ("api-1", "https://theirs---api-x.a.run.app")
    assert len(world.patches) == 1


def test_a_slow_operation_is_followed_to_its_end(cloud_run: CloudRunRest, world: World) -> None:
    """The traffic is there when the call returns."""
    world.faults.operation_seconds = 0.3
    assert cloud_run.move("api", REGION, back_to("api-2")).serving == {"api-2": 100}
    assert not cloud_run.service("api", REGION).reconciling


@pytest.mark.parametrize("fault", ["conflicts", "limited", "errors_before"])
def test_a_change_refused_for_now_is_asked_for_again(cloud_run: CloudRunRest, world: World, fault: str) -> None:
    """Another change under way, the quota, an error of theirs: twice, and then it is made, once."""
    setattr(world.faults, fault, 2)
    assert cloud_run.move("api", REGION, back_to("api-2")).serving == {"api-2": 100}
    assert len(world.patches) == 1


def test_a_change_made_in_spite_of_an_error_is_not_made_twice(cloud_run: CloudRunRest, world: World) -> None:
    """The traffic is read before it is asked for again."""
    world.faults.errors_after = 1
    world.faults.operation_seconds = 0.2
    assert cloud_run.move("api", REGION, back_to("api-2")).serving == {"api-2": 100}
    assert len(world.patches) == 1


def test_a_change_whose_answer_is_lost_is_not_made_twice(cloud_run: CloudRunRest, world: World) -> None:
    """A connection that breaks says nothing of the change."""
    world.faults.cut_off = 1
    assert cloud_run.move("api", REGION, back_to("api-2")).serving == {"api-2": 100}
    assert len(world.patches) == 1


def test_an_answer_that_is_no_json_is_asked_for_again(cloud_run: CloudRunRest, world: World) -> None:
    """A proxy between may say anything."""
    world.faults.garbage = 2
    assert cloud_run.move("api", REGION, back_to("api-2")).serving == {"api-2": 100}


def test_an_operation_that_fails_says_where_the_traffic_is(cloud_run: CloudRunRest, world: World) -> None:
    """The caller learns that nothing moved, and why."""
    world.faults.failed_operations = 1
    with pytest.raises(TrafficNotMoved, match="100 % to api-3: Revision is not ready"):
        cloud_run.move("api", REGION, back_to("api-2"))


def test_an_operation_that_fails_though_the_traffic_moved_is_a_success(cloud_run: CloudRunRest, world: World) -> None:
    """What users get counts, not how Cloud Run calls it: a newest revision that is not ready fails every change, and
    holds the service behind its generation for good."""
    world.faults.failed_though_moved = 1
    found = cloud_run.move("api", REGION, back_to("api-2"))
    assert found.serving == {"api-2": 100}
    assert not found.reconciling


def test_an_operation_that_nobody_knows_any_more_is_not_needed(cloud_run: CloudRunRest, world: World) -> None:
    """The service tells where the traffic is."""
    world.faults.operation_seconds = 0.1
    world.faults.operations_lost = 1
    assert cloud_run.move("api", REGION, back_to("api-2")).serving == {"api-2": 100}


def test_tags_that_cloud_run_takes_away_do_not_undo_a_change(cloud_run: CloudRunRest, world: World) -> None:
    """The users are where they were sent."""
    world.faults.forgotten_tags = 1
    assert cloud_run.move("api", REGION, [*back_to("api-2"), Target("api-1", 0, "mark")]).serving == {"api-2": 100}


def test_a_revision_that_is_not_ready_gets_no_traffic(cloud_run: CloudRunRest, world: World) -> None:
    """Cloud Run moves nothing, and says which revision it was."""
    world.become("api", "api-2", ready=False)
    with pytest.raises(TrafficNotMoved, match="'api-2' is not ready"):
        cloud_run.move("api", REGION, back_to("api-2"))
    assert cloud_run.service("api", REGION).serving == {"api-3": 100}


def test_traffic_that_ends_elsewhere_is_no_success(cloud_run: CloudRunRest, world: World) -> None:
    """An operation that ended well is not believed: the statuses are."""
    world.faults.elsewhere = 1
    with pytest.raises(TrafficNotMoved, match="100 % to api-1"):
        cloud_run.move("api", REGION, back_to("api-2"))


def test_a_change_that_makes_no_sense_is_refused(cloud_run: CloudRunRest, world: World) -> None:
    """What Cloud Run will never accept is not tried again."""
    with pytest.raises(TrafficNotMoved, match="add up to 100"):
        cloud_run.move("api", REGION, [Target("api-2", 90)])
    assert world.patches == []


def test_a_service_that_is_not_there(cloud_run: CloudRunRest) -> None:
    """Neither is read nor moved."""
    with pytest.raises(ServiceNotFound):
        cloud_run.service("api", "us-east1")
    with pytest.raises(ServiceNotFound):
        cloud_run.move("other", REGION, back_to("api-2"))


def test_reads_are_repeated_while_cloud_run_is_away(cloud_run: CloudRunRest, world: World) -> None:
    """A moment's trouble is not noticed."""
    world.faults.reads_down = 3
    assert cloud_run.service("api", REGION).latest_ready == "api-3"


def test_a_cloud_run_that_cannot_be_reached_is_said_so() -> None:
    """With nothing listening the caller is told to come again."""
    nowhere = CloudRunRest("sight-local", endpoint="http://127.0.0.1:9", move_seconds=0.5)
    with pytest.raises(CloudRunUnavailable):
        nowhere.move("api", REGION, back_to("api-2"))


def test_two_that_move_the_same_way_at_once_both_succeed(cloud_run: CloudRunRest, world: World) -> None:
    """The second finds the first's change under way, waits, and finds it made."""
    world.faults.operation_seconds = 0.2
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(cloud_run.move("api", REGION, back_to("api-2")).serving))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"api-2": 100}, {"api-2": 100}]
    assert len(world.patches) == 1


def test_tags_that_others_set_since_it_was_looked_at_are_kept(cloud_run: CloudRunRest, world: World) -> None:
    """Between the look and the change somebody deployed under a tag."""
    seen = cloud_run.service("api", REGION).named
    world.deploy("api", "api-4", no_traffic=True, tag="preview")
    found = cloud_run.move("api", REGION, [*back_to("api-2"), Target("api-3", 0, "failed")], seen=seen)
    assert found.serving == {"api-2": 100}
    assert {target.tag for target in found.statuses if target.tag} == {"failed", "preview"}


def test_traffic_that_others_moved_since_it_was_looked_at_is_left_to_them(
    cloud_run: CloudRunRest, world: World
) -> None:
    """Whoever they are, they were faster and may know better."""
    seen = cloud_run.service("api", REGION).named
    world.set_traffic("api", [{"type": NAMED, "revision": "api-1", "percent": 100}], modifier="ada@example.com")
    with pytest.raises(TrafficNotMoved, match=r"ada@example\.com moved the traffic of api meanwhile"):
        cloud_run.move("api", REGION, back_to("api-2"), seen=seen)
    assert world.patches == []


def test_a_deployment_that_took_the_traffic_over_is_left_to_it(cloud_run: CloudRunRest, world: World) -> None:
    """The traffic is asked to go to the latest as before, but that is another revision now: nobody knows it to be
    bad."""
    seen = cloud_run.service("api", REGION).named
    world.deploy("api", "api-4")
    with pytest.raises(TrafficNotMoved, match="meanwhile"):
        cloud_run.move("api", REGION, back_to("api-2"), seen=seen)
    assert cloud_run.service("api", REGION).serving == {"api-4": 100}


def test_traffic_that_others_are_moving_is_left_to_them(cloud_run: CloudRunRest, world: World) -> None:
    """A conflict is somebody else's change under way: it is looked at again before anything is asked for again."""
    seen = cloud_run.service("api", REGION).named
    world.faults.operation_seconds = 0.3
    world.patch("api", REGION, [{"type": NAMED, "revision": "api-1", "percent": 100}], "ada@example.com")
    with pytest.raises(TrafficNotMoved, match="moved the traffic of api meanwhile"):
        cloud_run.move("api", REGION, back_to("api-2"), seen=seen)
    eventually(lambda: cloud_run.service("api", REGION).serving == {"api-1": 100})
    assert len(world.patches) == 1


def test_traffic_that_another_has_already_moved_there_is_not_moved_again(cloud_run: CloudRunRest, world: World) -> None:
    """Two that decide the same do not quarrel."""
    seen = cloud_run.service("api", REGION).named
    world.set_traffic("api", [{"type": NAMED, "revision": "api-2", "percent": 100}])
    assert cloud_run.move("api", REGION, back_to("api-2"), seen=seen).serving == {"api-2": 100}
    assert world.patches == []
