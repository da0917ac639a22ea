"""The scenes of a drill: what breaks, and what Sight has to do about it, nothing included."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.bus.topology import ALERTS, RELEASES
from common.releases.events import ReleaseDeployed
from local import postgres
from local.drill.proxy import REGION
from local.drill.stage import NOWHERE
from local.drill.users import Users
from local.drill.watchman import watch
from local.processes import end
from tests.fakes.cloud_run.notifications import notification
from tests.fakes.cloud_run.world import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.drill.stage import Revision, Stage

PER_SECOND = 40.0
ALERT_SECONDS = 30.0
DECISION_SECONDS = 30.0
HEALTHY_SECONDS = 20.0
RELEASE_SECONDS = 90.0
NEW = "api-00002"


@dataclass(frozen=True)
class Scene:
    """One scene. `expected` is the code of the decision or the state of the release that is right."""

    title: str
    service: str
    expected: str
    play: Callable[[Stage, Scene], Result]
    fault: str = "none"
    alert: str = "errors"
    """The kind of alert policy that is to notice."""

    policy: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Result:
    """How a scene went: seconds are from the moment the fault reached users, None where there was no such moment."""

    fault: str
    bus: str
    detected_s: float | None
    decided_s: float | None
    shifted_s: float | None
    healthy_s: float | None
    requests: int
    failed_requests: int
    outcome: str
    expected: str
    lines: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether the right thing was done."""
        return self.outcome == self.expected


def broken_deployment(stage: Stage, scene: Scene) -> Result:
    """A bad revision gets all the traffic at once; an alert is raised, and the rollback decides."""
    stage.service(scene.service)
    with _revision(stage, scene) as new, _users(stage, scene, _rate(scene)) as users:
        began = time.time()
        _deploy(stage, scene, new)
        if scene.expected == "moved_by_hand":
            _move_by_hand(stage, scene)
        return _answered(stage, scene, new, users, began)


def dependency_down(stage: Stage, scene: Scene) -> Result:
    """The database of both revisions goes down minutes after a good one was deployed."""
    stage.service(scene.service)
    with _revision(stage, scene) as new, _users(stage, scene, PER_SECOND) as users:
        _deploy(stage, scene, new)
        time.sleep(1.0)
        began = time.time()
        postgres.stop(stage.api_data)
        try:
            return _answered(stage, scene, new, users, began)
        finally:
            postgres.start(stage.api_data)


def release(stage: Stage, scene: Scene) -> Result:
    """A revision is deployed without traffic, and walks up or is taken back."""
    stage.service(scene.service)
    with _revision(stage, scene) as new, _users(stage, scene, PER_SECOND) as users:
        stage.world.deploy(scene.service, NEW, address=new.address, no_traffic=True, tag="candidate")
        deployed = ReleaseDeployed(service=scene.service, region=REGION, tag="candidate")
        stage.publish(RELEASES, deployed.model_dump_json().encode())
        deadline = time.time() + RELEASE_SECONDS
        while stage.state(scene.service, NEW) not in ("promoted", "failed", "waiting") and time.time() < deadline:
            time.sleep(0.2)
        time.sleep(2.0)
        at = {line.type: line.at.timestamp() for line in stage.lines(scene.service)}
        began = at.get("shifted_10") or at.get("deployed", time.time())
        outcome = stage.state(scene.service, NEW) or "never begun"
        failed = at.get("failed") if outcome == "failed" else None
        return _result(stage, scene, users, began, outcome, decided=failed, shifted=at.get("shifted_0"))


def _answered(stage: Stage, scene: Scene, new: Revision, users: Users, began: float) -> Result:
    found = watch(
        stage.world,
        scene.service,
        NEW,
        url=stage.proxy.url,
        log=new.log,
        kind=scene.alert,
        within=ALERT_SECONDS,
    )
    if found is None:
        return _result(stage, scene, users, began, "no alert was raised")
    detected = time.time()
    stage.publish(
        ALERTS,
        notification(
            f"{scene.service}-1",
            service=scene.service,
            revision=NEW,
            kind=found.kind,
            observed=found.observed,
            threshold=found.threshold,
        ),
    )
    deadline = time.time() + DECISION_SECONDS
    while (code := stage.decision(scene.service)) is None and time.time() < deadline:
        time.sleep(0.05)
    acted = code == "rolled_back"
    shifted = _shifted(stage, scene, deadline) if acted else None
    decided = next((line.at.timestamp() for line in stage.lines(scene.service) if line.type == "decided"), None)
    if acted:
        deadline = time.time() + HEALTHY_SECONDS
        while users.healthy_since(shifted or began) is None and time.time() < deadline:
            time.sleep(0.1)
    if not acted and stage.world.find(scene.service, REGION).share_of(stage.stable.name) == 100:
        return _result(stage, scene, users, began, "traffic moved where it should have been left", detected)
    return _result(stage, scene, users, began, code or "no decision", detected, decided, shifted)


def _shifted(stage: Stage, scene: Scene, deadline: float) -> float | None:
    while time.time() < deadline:
        for line in stage.lines(scene.service):
            if line.type == "shifted":
                return float(line.at.timestamp())
        time.sleep(0.05)
    return None


def _result(
    stage: Stage,
    scene: Scene,
    users: Users,
    began: float,
    outcome: str,
    detected: float | None = None,
    decided: float | None = None,
    shifted: float | None = None,
) -> Result:
    healthy = users.healthy_since(shifted, seconds=1.0) if shifted is not None else None
    if scene.expected == "rolled_back" and outcome == "rolled_back" and healthy is None:
        outcome = "rolled back, and users still see errors"
    answers = [answer for answer in users.answers if answer[0] >= began]

    def since(at: float | None) -> float | None:
        return None if at is None else round(max(0.0, at - began), 2)

    return Result(
        fault=scene.title,
        bus=stage.bus_name,
        detected_s=since(detected),
        decided_s=since(decided),
        shifted_s=since(shifted),
        healthy_s=since(healthy),
        requests=len(answers),
        failed_requests=sum(status >= 500 for _, status in answers),
        outcome=outcome,
        expected=scene.expected,
        lines=tuple(
            f"{line.at.timestamp() - began:+7.2f} s  {line.type}: {line.text}" for line in stage.lines(scene.service)
        ),
    )


def _rate(scene: Scene) -> float:
    return 4.0 if scene.expected == "too_little_traffic" else PER_SECOND


def _deploy(stage: Stage, scene: Scene, new: Revision) -> None:
    stage.world.deploy(scene.service, NEW, address=new.address, created=time.time() - 300, no_traffic=True)
    tags = [target for target in stage.world.find(scene.service, REGION).traffic if target.get("tag")]
    stage.world.set_traffic(scene.service, [{"type": NAMED, "revision": NEW, "percent": 100}, *tags])


def _move_by_hand(stage: Stage, scene: Scene) -> None:
    tags = [target for target in stage.world.find(scene.service, REGION).traffic if target.get("tag")]
    half = [{"type": NAMED, "revision": name, "percent": 50} for name in (NEW, stage.stable.name)]
    stage.world.set_traffic(scene.service, [*half, *tags], modifier="ada@example.com")


@contextmanager
def _revision(stage: Stage, scene: Scene) -> Iterator[Revision]:
    fault, database = (scene.fault, None) if scene.fault != "unhealthy" else ("none", NOWHERE)
    new = stage.start_revision(f"{scene.service}-{NEW}", fault=fault, database_url=database)
    try:
        yield new
    finally:
        end(new.pid)


@contextmanager
def _users(stage: Stage, scene: Scene, per_second: float) -> Iterator[Users]:
    users = Users(stage.proxy.url, scene.service, per_second=per_second)
    try:
        yield users
    finally:
        users.stop()


SCENES = (
    Scene("5xx", "api-5xx", "rolled_back", broken_deployment, "5xx"),
    Scene("slow", "api-slow", "rolled_back", broken_deployment, "slow", "latency"),
    Scene("crashing", "api-crashing", "rolled_back", broken_deployment, "crashing", "crashes"),
    Scene("unhealthy", "api-unhealthy", "rolled_back", broken_deployment, "unhealthy", "health"),
    Scene("5xx, by steps", "api-canary", "failed", release, "5xx"),
    Scene("unhealthy, by steps", "api-smoke", "failed", release, "unhealthy"),
    Scene("none: healthy", "api-healthy", "promoted", release),
    Scene(
        "5xx, little traffic",
        "api-quiet",
        "too_little_traffic",
        broken_deployment,
        "5xx",
        policy=(("min_requests", 200),),
    ),
    Scene("5xx, moved by hand", "api-human", "moved_by_hand", broken_deployment, "5xx"),
    Scene("dependency down", "api-dependency", "dependency", dependency_down),
)
"""The last takes the database away, so it is played last."""

POLICY = {
    "window_seconds": 5.0,
    "min_requests": 5,
    "step_seconds": 3.0,
    "smoke_paths": ["/health", "/startup", "/docs"],
}


def policies() -> dict[str, dict[str, Any]]:
    """The policies of all scenes' services."""
    return {scene.service: POLICY | dict(scene.policy) for scene in SCENES}
