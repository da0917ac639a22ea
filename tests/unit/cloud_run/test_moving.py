"""Tests of what moving traffic leaves out of what it was asked for."""

from __future__ import annotations

import time

import pytest
from structlog.testing import capture_logs

from common.cloud_run.port import Target
from common.cloud_run.rest import CloudRunRest
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World

REGION = "europe-central2"


@pytest.fixture
def cloud_run(cloud_run_server: CloudRunServer, world: World) -> CloudRunRest:
    """A service of three revisions, the latest of which has all the traffic and the first a tag of its owner's."""
    now = time.time()
    for age, name in enumerate(("api-1", "api-2", "api-3")):
        world.deploy("api", name, created=now - 300 + age)
    world.set_traffic(
        "api",
        [{"type": NAMED, "revision": "api-3", "percent": 100}, {"type": NAMED, "revision": "api-1", "tag": "qa"}],
    )
    return CloudRunRest("sight-local", endpoint=cloud_run_server.url, move_seconds=5.0)


def test_a_tag_that_is_dropped_is_logged(cloud_run: CloudRunRest, world: World) -> None:
    """Its owner finds out why its address is gone; one that is kept is no news."""
    for ready, dropped in ((True, []), (False, [["qa"]])):
        world.become("api", "api-1", ready=ready)
        found = cloud_run.service("api", REGION)
        kept = [Target("api-1", 0, "qa")] if ready else []
        with capture_logs() as logs:
            cloud_run.move("api", REGION, [Target("api-2", 100), *kept], seen=found.named)
        assert [line["tags"] for line in logs if line["event"] == "tags_dropped"] == dropped


def test_a_tag_that_its_owner_mends_between_the_look_and_the_change_stays(
    cloud_run: CloudRunRest, world: World
) -> None:
    """It was on a revision that is not ready when the change was composed, and is on a good one now."""
    world.become("api", "api-1", ready=False)
    seen = cloud_run.service("api", REGION).named
    world.set_traffic(
        "api",
        [{"type": NAMED, "revision": "api-3", "percent": 100}, {"type": NAMED, "revision": "api-2", "tag": "qa"}],
    )
    found = cloud_run.move("api", REGION, [Target("api-2", 100)], seen=seen)
    tagged = found.tagged("qa")
    assert (found.serving, tagged and tagged.revision) == ({"api-2": 100}, "api-2")
