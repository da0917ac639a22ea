"""Cloud Monitoring API v3 over REST: the figures of one revision of Cloud Run.

Requests are `run.googleapis.com/request_count` by `response_code_class`, latency is the 95th percentile over all
of `run.googleapis.com/request_latencies` (https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-run). Cloud
Run publishes no metric of instances that died, it logs them: crashes are a metric made of those log entries
(https://cloud.google.com/logging/docs/logs-based-metrics), named below; where it was not made there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from common.google_api import ApiError, GoogleApi
from common.monitoring.port import Fared, MonitoringUnavailable

HOST = "monitoring.googleapis.com"
REQUESTS = "run.googleapis.com/request_count"
LATENCIES = "run.googleapis.com/request_latencies"
CRASHES = "logging.googleapis.com/user/sight_instance_crashes"
NO_SUCH_METRIC = 404
LEAST_ALIGNMENT_SECONDS = 60


class MonitoringRest:
    """Monitoring of one project. `endpoint` is that of a fake, spoken to without credentials."""

    def __init__(self, project: str, *, endpoint: str | None = None) -> None:
        self._api = GoogleApi(HOST, endpoint=endpoint)
        self._project = project

    def fared(self, service: str, region: str, revision: str, *, start: datetime, end: datetime) -> Fared:
        """Asks for the three metrics side by side, each as one point over the whole span."""
        ask = partial(self._ask, labels=(service, region, revision), start=start, end=end)
        try:
            with ThreadPoolExecutor(2) as others:
                latencies = others.submit(ask, LATENCIES, reducer="REDUCE_PERCENTILE_95")
                crashes = others.submit(ask, CRASHES, reducer="REDUCE_SUM")
                counted = ask(REQUESTS, reducer="REDUCE_SUM", group="metric.labels.response_code_class")
                by_class = {_class_of(series): _total(series) for series in counted}
                return Fared(
                    requests=round(sum(by_class.values())),
                    errors=round(by_class.get("5xx", 0)),
                    p95_ms=next((value for series in latencies.result() for value in _values(series)), None),
                    crashes=round(sum(map(_total, crashes.result()))),
                )
        except ApiError as error:
            raise MonitoringUnavailable(f"Cloud Monitoring: {error}", retry_after=error.retry_after) from error

    def _ask(
        self,
        metric: str,
        *,
        labels: tuple[str, str, str],
        start: datetime,
        end: datetime,
        reducer: str,
        group: str | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        service, region, revision = labels
        span = max(LEAST_ALIGNMENT_SECONDS, round((end - start).total_seconds()))
        query = {
            "filter": f'metric.type="{metric}" AND resource.type="cloud_run_revision"'
            f' AND resource.labels.service_name="{service}" AND resource.labels.location="{region}"'
            f' AND resource.labels.revision_name="{revision}"',
            "interval.startTime": _rfc3339(start),
            "interval.endTime": _rfc3339(end),
            "aggregation.alignmentPeriod": f"{span}s",
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
            found += page.get("timeSeries", [])
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]


def _class_of(series: Mapping[str, Any]) -> str:
    return str(series.get("metric", {}).get("labels", {}).get("response_code_class", ""))


def _total(series: Mapping[str, Any]) -> float:
    return sum(_values(series))


def _values(series: Mapping[str, Any]) -> list[float]:
    """The points' values: int64 come as strings, and a zero may be left out."""
    values = [point.get("value", {}) for point in series.get("points", ())]
    return [float(value.get("int64Value", value.get("doubleValue", 0))) for value in values]


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
