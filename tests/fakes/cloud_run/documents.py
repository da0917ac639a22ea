"""The documents of the Cloud Run Admin API v2, with the oddities of the real ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.fakes.cloud_run.traffic import LATEST
from tests.fakes.cloud_run.world import FakeRevision, FakeService, World

SERVICE = "type.googleapis.com/google.cloud.run.v2.Service"
INTERNAL = 13


def service(world: World, found: FakeService) -> dict[str, Any]:
    """A `Service`: zeros and what is false left out, int64 as strings, LATEST statuses without a revision."""
    base = f"projects/{world.project}/locations/{found.region}/services/{found.name}"
    latest, newest = found.latest_ready, found.newest
    document: dict[str, Any] = {
        "name": base,
        "uid": "0b2c",
        "generation": str(found.generation),
        "observedGeneration": str(found.observed),
        "createTime": stamp(0),
        "updateTime": stamp(found.updated),
        "lastModifier": found.modifier,
        "uri": f"https://{found.name}-x.a.run.app",
        "traffic": found.traffic,
        "trafficStatuses": [_status(status) for status in found.statuses],
        "terminalCondition": _terminal(found),
        "etag": f'"{found.generation}"',
    }
    if latest is not None:
        document["latestReadyRevision"] = f"{base}/revisions/{latest.name}"
    if newest is not None:
        document["latestCreatedRevision"] = f"{base}/revisions/{newest.name}"
    if found.pending is not None:
        document["reconciling"] = True
    return document


def revision(world: World, found: FakeService, each: FakeRevision) -> dict[str, Any]:
    """A `Revision`."""
    base = f"projects/{world.project}/locations/{found.region}/services/{found.name}"
    ready: dict[str, Any] = {"type": "Ready", "state": "CONDITION_SUCCEEDED" if each.ready else "CONDITION_FAILED"}
    if each.message:
        ready["message"] = each.message
    active: dict[str, Any] = {"type": "Active", "state": "CONDITION_SUCCEEDED"}
    if found.share_of(each.name) == 0:
        active = {"type": "Active", "state": "CONDITION_FAILED", "severity": "INFO", "revisionReason": "RETIRED"}
    return {
        "name": f"{base}/revisions/{each.name}",
        "createTime": stamp(each.created),
        "service": found.name,
        "containers": [{"image": each.image}],
        "conditions": [{"type": "ContainerHealthy", "state": "CONDITION_SUCCEEDED"}, active, ready],
    }


def operation(world: World, name: str) -> dict[str, Any]:
    """An `Operation`. Raises `Refused`."""
    record = world.operation(name)
    about = {"@type": SERVICE, **service(world, record["service"])}
    document: dict[str, Any] = {"name": name, "metadata": about}
    if record.get("error"):
        document |= {"done": True, "error": {"code": INTERNAL, "message": record["error"]}}
    elif "error" in record:
        document |= {"done": True, "response": about}
    return document


def stamp(seconds: float) -> str:
    """A time as the API writes it, in nanoseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def _terminal(found: FakeService) -> dict[str, Any]:
    if found.pending is not None:
        return {"type": "Ready", "state": "CONDITION_RECONCILING"}
    if found.failure:
        return {"type": "Ready", "state": "CONDITION_FAILED", "message": found.failure}
    return {"type": "Ready", "state": "CONDITION_SUCCEEDED"}


def _status(status: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if not (key == "revision" and status["type"] == LATEST)}
