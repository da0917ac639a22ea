"""`timeSeries.list` of Monitoring v3, for the metrics of Cloud Run."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests.fakes.cloud_run.faults import Refused
from tests.fakes.cloud_run.world import World

METRICS = {
    "run.googleapis.com/request_count",
    "run.googleapis.com/request_latencies",
    "run.googleapis.com/container/completed_probe_count",
    "logging.googleapis.com/user/sight_instance_crashes",
}
LEAST_ALIGNMENT = re.compile(r"([6-9]\d|\d{3,})s")
LABEL = re.compile(r'([a-z_.]+)="((?:[^"\\]|\\.)*)"')


def answer(world: World, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of the answer, with one series on it. Raises `Refused` as the API does for a metric it does not know
    and for an aggregation that makes no sense."""
    if not LEAST_ALIGNMENT.fullmatch(query.get("aggregation.alignmentPeriod", "")):
        raise Refused(400, "The alignment period must be at least 60 seconds.")
    if query.get("aggregation.perSeriesAligner") != "ALIGN_DELTA":
        raise Refused(400, "The fake only knows ALIGN_DELTA.")
    found = _series(world, query)
    page = int(query.get("pageToken") or 0)
    if not found[page:]:
        return {}
    document: dict[str, Any] = {"timeSeries": found[page : page + 1], "unit": "1"}
    if found[page + 1 :]:
        document["nextPageToken"] = str(page + 1)
    if world.faults.take("incomplete"):
        document["executionErrors"] = [{"code": 4, "message": "Query timed out."}]
    return document


def _series(world: World, query: Mapping[str, str]) -> list[dict[str, Any]]:
    labels = {key: re.sub(r"\\(.)", r"\1", value) for key, value in LABEL.findall(query["filter"])}
    metric = labels["metric.type"]
    if metric not in METRICS:
        raise Refused(404, f'Cannot find metric(s) that match type = "{metric}".')
    if labels["resource.type"] != "cloud_run_revision":
        raise Refused(400, "The fake only knows revisions of Cloud Run.")
    start, end = (datetime.fromisoformat(query[f"interval.{side}Time"]).timestamp() for side in ("start", "end"))
    end = min(end, time.time() - world.faults.monitoring_lag_seconds)
    key = tuple(labels[f"resource.labels.{name}"] for name in ("service_name", "location", "revision_name"))

    def seen(at: float, *labels: str) -> bool:
        return labels == key and start < at <= end

    with world.lock:
        samples = [sample for sample in world.samples if seen(*sample[:4])]
        crashes = [crash for crash in world.crashes if seen(*crash)]
        probes = [probe for probe in world.probes if seen(*probe[:4])]
    reducer, group = query.get("aggregation.crossSeriesReducer"), query.get("aggregation.groupByFields")
    match metric.rpartition("/")[2], reducer, group:
        case "request_count", "REDUCE_SUM", "metric.labels.response_code_class":
            found = _counts("response_code_class", Counter(f"{sample[4] // 100}xx" for sample in samples))
        case "completed_probe_count", "REDUCE_SUM", "metric.labels.is_healthy":
            found = _counts("is_healthy", Counter(str(probe[4]).lower() for probe in probes))
        case "sight_instance_crashes", "REDUCE_SUM", None:
            found = [({}, {"int64Value": str(len(crashes))})] if crashes else []
        case "request_latencies", "REDUCE_PERCENTILE_95", None:
            found = [({}, {"doubleValue": _p95([sample[5] for sample in samples])})] if samples else []
        case _:
            raise Refused(400, f"The fake does not know {reducer} by {group} of {metric}.")
    interval = {"startTime": query["interval.startTime"], "endTime": query["interval.endTime"]}
    return [
        {
            "metric": {"type": metric, "labels": labels},
            "resource": {"type": "cloud_run_revision", "labels": {"project_id": world.project}},
            "metricKind": "DELTA",
            "points": [{"interval": interval, "value": value}],
        }
        for labels, value in found
    ]


def _counts(label: str, counts: Mapping[str, int]) -> list[tuple[dict[str, str], dict[str, Any]]]:
    return [({label: name}, {"int64Value": str(count)}) for name, count in counts.items()]


def _p95(milliseconds: list[float]) -> float | str:
    """The percentile; of requests that took no time that can be measured there is none, which JSON writes `NaN`."""
    ordered = sorted(milliseconds)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered[-1] >= 0 else "NaN"
