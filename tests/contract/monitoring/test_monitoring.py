"""How revisions fared, on the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from common.monitoring.port import Fared, MonitoringUnavailable
from common.monitoring.rest import MonitoringRest
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import World

REGION = "europe-central2"


@pytest.fixture
def monitoring(cloud_run_server: CloudRunServer) -> MonitoringRest:
    """The adapter."""
    return MonitoringRest("sight-local", endpoint=cloud_run_server.url)


def fared(monitoring: MonitoringRest, revision: str = "api-2", seconds: float = 120) -> Fared:
    """How a revision fared until now."""
    now = datetime.now(UTC)
    return monitoring.fared("api", REGION, revision, start=now - timedelta(seconds=seconds), end=now)


def test_requests_errors_latency_and_crashes_of_one_revision(monitoring: MonitoringRest, world: World) -> None:
    """Of the span asked for and of no other revision; errors are those of the server."""
    now = time.time()
    for number in range(100):
        status = 500 if number < 7 else 404 if number < 10 else 200
        world.samples.append((now - 1, "api", REGION, "api-2", status, float(number)))
    world.samples.append((now - 1, "api", REGION, "api-1", 500, 9000.0))
    world.samples.append((now - 500, "api", REGION, "api-2", 500, 9000.0))
    world.crashes.append((now - 1, "api", REGION, "api-2"))
    found = fared(monitoring)
    assert found == Fared(requests=100, errors=7, p95_ms=95.0, crashes=1)
    assert found.error_share == 0.07


def test_a_revision_without_traffic_has_nothing_to_tell(monitoring: MonitoringRest) -> None:
    """No series is no requests, and no latency rather than none of it."""
    found = fared(monitoring)
    assert found == Fared(requests=0, errors=0, p95_ms=None, crashes=0)
    assert found.error_share is None


def test_instances_ended_by_their_probes_crashed(monitoring: MonitoringRest, world: World) -> None:
    """What Cloud Run publishes itself; an instance that is in its log as well is counted once."""
    now = time.time()
    world.probes += [(now - 1, "api", REGION, "api-2", healthy) for healthy in (True, False, False, False)]
    world.crashes.append((now - 1, "api", REGION, "api-2"))
    assert fared(monitoring).crashes == 3


def test_a_part_of_the_figures_is_no_figure(monitoring: MonitoringRest, world: World) -> None:
    """An answer that says it is incomplete is not taken for all there is."""
    world.samples.append((time.time() - 1, "api", REGION, "api-2", 200, 5.0))
    world.faults.incomplete = 20
    with pytest.raises(MonitoringUnavailable, match="incomplete"):
        fared(monitoring)


def test_the_percentile_of_nothing_is_none(monitoring: MonitoringRest, world: World) -> None:
    """Monitoring writes `NaN`."""
    world.samples.append((time.time() - 1, "api", REGION, "api-2", 200, -1.0))
    assert fared(monitoring).p95_ms is None


def test_a_span_of_a_fraction_is_one_point(monitoring: MonitoringRest, world: World) -> None:
    """Periods are whole seconds: what happened in the first part of the span is in it."""
    world.samples.append((time.time() - 90.2, "api", REGION, "api-2", 200, 5.0))
    assert fared(monitoring, seconds=90.5).requests == 1


def test_a_metric_nobody_made_counts_nothing(
    monitoring: MonitoringRest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the metric of crashes there are none; the rest is told all the same."""
    monkeypatch.setattr(
        "tests.fakes.cloud_run.time_series.METRICS",
        {"run.googleapis.com/request_count", "run.googleapis.com/request_latencies"},
    )
    world.samples.append((time.time() - 1, "api", REGION, "api-2", 200, 5.0))
    assert fared(monitoring) == Fared(requests=1, errors=0, p95_ms=5.0, crashes=0)


def test_a_moments_trouble_is_not_noticed(monitoring: MonitoringRest, world: World) -> None:
    """Queries are repeated."""
    world.faults.monitoring_down = 2
    assert fared(monitoring).requests == 0


def test_monitoring_that_cannot_be_reached_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not knowing is not the same as nothing to tell."""
    monkeypatch.setattr("common.google_api.READ_SECONDS", 0.3)
    with pytest.raises(MonitoringUnavailable):
        fared(MonitoringRest("sight-local", endpoint="http://127.0.0.1:9"))
