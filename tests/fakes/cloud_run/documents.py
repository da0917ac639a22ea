"""The documents of the Cloud Run Admin API v2 and of Monitoring v3, with the oddities of the real ones."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any

from tests.fakes.cloud_run.world import LATEST, FakeRevision, FakeService, Refused, World, stamp

METRICS = {
    "run.googleapis.com/request_count",
    "run.googleapis.com/request_latencies",
    "logging.googleapis.com/user/sight_instance_crashes",
}


def service(world: World, found: FakeService) -> dict[str, Any]:
    """A `Service`: zeros and what is false left out, int64 as strings, LATEST statuses without a revision."""
    base = f"projects/{world.project}/locations/{found.region}/services/{found.name}"
    latest = found.latest_ready
    newest = max(found.revisions.values(), key=lambda revision: revision.created, default=None)
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
    return {
        "name": f"{base}/revisions/{each.name}",
        "createTime": stamp(each.created),
        "service": found.name,
        "containers": [{"image": each.image}],
        "conditions": [{"type": "ContainerHealthy", "state": "CONDITION_SUCCEEDED"}, ready],
    }


def time_series(world: World, query: dict[str, str]) -> dict[str, Any]:
    """The answer to `timeSeries.list`. Raises `Refused` as the API does for a metric it does not know."""
    labels = dict(re.findall(r'([a-z_.]+)="([^"]*)"', query["filter"]))
    metric = labels["metric.type"]
    if metric not in METRICS:
        raise Refused(404, f'Cannot find metric(s) that match type = "{metric}".')
    start, end = (datetime.fromisoformat(query[f"interval.{side}Time"]).timestamp() for side in ("start", "end"))
    key = tuple(labels[f"resource.labels.{name}"] for name in ("service_name", "location", "revision_name"))
    with world.lock:
        samples = [sample for sample in world.samples if sample[1:4] == key and start < sample[0] <= end]
        crashes = sum(crash[1:4] == key and start < crash[0] <= end for crash in world.crashes)
    if metric.endswith("request_count"):
        counts = Counter(f"{sample[4] // 100}xx" for sample in samples)
        found = [_series({"response_code_class": name}, {"int64Value": str(n)}, query) for name, n in counts.items()]
    elif metric.endswith("request_latencies"):
        if query["aggregation.crossSeriesReducer"] != "REDUCE_PERCENTILE_95":
            raise Refused(400, "the fake only knows the 95th percentile")
        ordered = sorted(sample[5] for sample in samples)
        value = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else 0.0
        found = [_series({}, {"doubleValue": value}, query)] if ordered else []
    else:
        found = [_series({}, {"int64Value": str(crashes)}, query)] if crashes else []
    return {"timeSeries": found, "unit": "1"} if found else {}


def _series(labels: dict[str, str], value: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    interval = {"startTime": query["interval.startTime"], "endTime": query["interval.endTime"]}
    return {
        "metric": {"type": "", "labels": labels},
        "resource": {"type": "cloud_run_revision", "labels": {}},
        "metricKind": "DELTA",
        "points": [{"interval": interval, "value": value}],
    }


def _status(status: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if not (key == "revision" and status["type"] == LATEST)}
