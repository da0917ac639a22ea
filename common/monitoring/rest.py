"""Cloud Monitoring API v3 over REST: the figures of one revision of Cloud Run.

Requests are `run.googleapis.com/request_count` by `response_code_class`, latency is the 95th percentile over all of
`run.googleapis.com/request_latencies` (https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-run).

Cloud Run publishes no metric of instances that died. It logs them, and a metric is made of those entries, named below
(https://cloud.google.com/logging/docs/logs-based-metrics); where nobody made it there are none. What it does publish
is `run.googleapis.com/container/completed_probe_count`, of startup and liveness probes: one that ended unhealthy is
the end of its instance. An instance that dies while it starts is in both, so that the larger is what is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from common.google_api import ApiError, GoogleApi
from common.monitoring.port import Fared, MonitoringUnavailable

if TYPE_CHECKING:
    from common.google_tokens import Tokens

HOST = "monitoring.googleapis.com"
REQUESTS = "run.googleapis.com/request_count"
LATENCIES = "run.googleapis.com/request_latencies"
CRASHES = "logging.googleapis.com/user/sight_instance_crashes"
PROBES = "run.googleapis.com/container/completed_probe_count"
NO_SUCH_METRIC = 404
LEAST_ALIGNMENT_SECONDS = 60

Series = Sequence[Mapping[str, Any]]


class MonitoringRest:
    """Monitoring of one project. `endpoint` is another than Google's, such as a fake's."""

    def __init__(self, project: str, *, endpoint: str | None = None, tokens: Tokens | None = None) -> None:
        self._api = GoogleApi(HOST, endpoint=endpoint, tokens=tokens)
        self._project = project

    def fared(self, service: str, region: str, revision: str, *, start: datetime, end: datetime) -> Fared:
        """Asks for the metrics side by side, each as one point over the whole span."""
        ask = partial(self._ask, _of(service, region, revision), _over(start, end))
        try:
            with ThreadPoolExecutor(3, thread_name_prefix="metrics") as others:
                latencies = others.submit(ask, LATENCIES, "REDUCE_PERCENTILE_95")
                crashes = others.submit(ask, CRASHES, "REDUCE_SUM")
                probes = others.submit(ask, PROBES, "REDUCE_SUM", "metric.labels.is_healthy")
                by_class = _totals(ask(REQUESTS, "REDUCE_SUM", "metric.labels.response_code_class"))
                logged = sum(_totals(crashes.result()).values())
                return Fared(
                    requests=round(sum(by_class.values())),
                    errors=round(by_class.get("5xx", 0)),
                    p95_ms=next((value for series in latencies.result() for value in _values(series)), None),
                    crashes=round(max(logged, _totals(probes.result()).get("false", 0))),
                )
        except ApiError as error:
            raise MonitoringUnavailable(f"Cloud Monitoring: {error}", retry_after=error.retry_after) from error

    def _ask(
        self, filter_: str, interval: Mapping[str, str], metric: str, reducer: str, group: str | None = None
    ) -> Series:
        query = {
            "filter": f'metric.type="{metric}" AND {filter_}',
            **interval,
            "aggregation.perSeriesAligner": "ALIGN_DELTA",
            "aggregation.crossSeriesReducer": reducer,
        }
        if group is not None:
            query["aggregation.groupByFields"] = group
        found: list[Mapping[str, Any]] = []
        while True:
            try:
                page = self._api.get(f"v3/projects/{self._project}/timeSeries", query)
            except ApiError as error:
                if error.status == NO_SUCH_METRIC:
                    return found
                raise
            if page.get("executionErrors"):
                # What comes with them is a part of the figures, and looks like all of them.
                raise ApiError(0, f"incomplete: {page['executionErrors'][0].get('message', 'no reason given')}")
            found += page.get("timeSeries", [])
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]


def _of(service: str, region: str, revision: str) -> str:
    labels = {"service_name": service, "location": region, "revision_name": revision}
    return " AND ".join(
        ['resource.type="cloud_run_revision"', *(f"resource.labels.{k}={_quoted(v)}" for k, v in labels.items())]
    )


def _over(start: datetime, end: datetime) -> dict[str, str]:
    """The interval, and the period to align to: as long as the interval, so that there is one point. Periods are
    counted back from the end in whole seconds, and the interval is made to begin where its only one does."""
    seconds = math.ceil((end - start).total_seconds())
    if seconds >= LEAST_ALIGNMENT_SECONDS:
        start = end - timedelta(seconds=seconds)
    return {
        "interval.startTime": _rfc3339(start),
        "interval.endTime": _rfc3339(end),
        "aggregation.alignmentPeriod": f"{max(LEAST_ALIGNMENT_SECONDS, seconds)}s",
    }


def _totals(found: Series) -> dict[str, float]:
    """The sum over each value of the label that is grouped by, which is a boolean or a string."""
    totals: dict[str, float] = {}
    for series in found:
        label = next(iter(series.get("metric", {}).get("labels", {}).values()), "")
        key = str(label).lower()
        totals[key] = totals.get(key, 0.0) + sum(_values(series))
    return totals


def _values(series: Mapping[str, Any]) -> list[float]:
    """The points' values, newest first. int64 come as strings, a zero may be left out, and the percentile of nothing
    is `NaN`, which is no value."""
    values = [point.get("value", {}) for point in series.get("points", ())]
    numbers = [float(value.get("int64Value", value.get("doubleValue", 0))) for value in values]
    return [number for number in numbers if math.isfinite(number)]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
