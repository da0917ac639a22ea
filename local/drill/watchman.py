"""Plays Cloud Monitoring's alert policies, at the pace of a drill: seconds where the real ones take minutes."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.drill.proxy import REGION
from tests.fakes.cloud_run.world import World

WINDOW_SECONDS = 2.0
ERROR_SHARE = 0.05
P95_MS = 2000.0
CRASHES = 2
FAILED_CHECKS = 3
CHECK_SECONDS = 0.5
LEAST_REQUESTS = 5
"""A real condition fires on a handful of requests as well: to judge the volume is the rollback's part."""


@dataclass(frozen=True)
class Trouble:
    """What a policy has found."""

    kind: str
    observed: float
    threshold: float


def watch(
    world: World, service: str, revision: str, *, kind: str, url: str, log: Path, within: float
) -> Trouble | None:
    """The first trouble of a kind that a revision is in, within so many seconds; None when there is none."""
    deadline = time.monotonic() + within
    failed, next_check, crashes = 0, time.monotonic(), 0
    while time.monotonic() < deadline:
        if kind == "health" and time.monotonic() >= next_check:
            failed = 0 if _healthy(url, service) else failed + 1
            next_check = time.monotonic() + CHECK_SECONDS
        crashes = _note_crashes(world, service, revision, log, crashes)
        found = _trouble(world, service, revision, failed, crashes)
        if found is not None and found.kind == kind:
            return found
        time.sleep(0.1)
    return None


def _trouble(world: World, service: str, revision: str, failed: int, crashes: int) -> Trouble | None:
    since = time.time() - WINDOW_SECONDS
    with world.lock:
        samples = [s for s in world.samples if s[1] == service and s[3] == revision and s[0] > since]
    if failed >= FAILED_CHECKS:
        return Trouble("health", failed, FAILED_CHECKS)
    if crashes >= CRASHES:
        return Trouble("crashes", crashes, CRASHES)
    if len(samples) < LEAST_REQUESTS:
        return None
    p95 = sorted(sample[5] for sample in samples)[int(0.95 * (len(samples) - 1))]
    if p95 > P95_MS:
        return Trouble("latency", p95, P95_MS)
    share = sum(sample[4] >= 500 for sample in samples) / len(samples)
    return Trouble("errors", share, ERROR_SHARE) if share > ERROR_SHARE else None


def _note_crashes(world: World, service: str, revision: str, log: Path, known: int) -> int:
    """Counts the entries of the log, as the metric of crashes does."""
    counted = log.read_text(errors="replace").count("Container called exit(1)") if log.exists() else 0
    with world.lock:
        world.crashes += [(time.time(), service, REGION, revision)] * (counted - known)
    return counted


def _healthy(url: str, service: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", f"/{service}/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
