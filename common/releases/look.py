"""Looks at a release before its step is taken: tries it, or sees how it fares. Holds no lock and no connection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from common.releases.judge import Verdict, judge
from common.releases.smoke import Smoke

if TYPE_CHECKING:
    from common.cloud_run.port import CloudRun, Service
    from common.monitoring.port import Monitoring
    from common.releases.models import Policy
    from common.releases.probe import Probe
    from common.releases.smoke import SmokeTest


class Eyes(Protocol):
    """What looking needs."""

    @property
    def cloud_run(self) -> CloudRun:
        """Where the traffic is."""
        ...

    @property
    def monitoring(self) -> Monitoring:
        """How revisions fare."""
        ...

    @property
    def probe(self) -> Probe:
        """How a revision says it is."""
        ...

    @property
    def smoke_test(self) -> SmokeTest:
        """What a new revision has to pass."""
        ...


@dataclass(frozen=True)
class Look:
    """What was seen of a release before its step is taken."""

    service: Service
    smoke: Smoke | None = None
    verdict: Verdict | None = None
    failed_checks: int = 0


def look_at(row: Any, eyes: Eyes, policy: Policy, end: datetime) -> Look:
    """Looks at a release in state `smoke` or `walking`. Raises `Unavailable` when something could not be seen."""
    service = eyes.cloud_run.service(row.service, row.region)
    address = next((each.uri for each in service.statuses if each.revision == row.revision and each.uri), None)
    if row.state == "smoke":
        return Look(service, smoke=_smoke(eyes, row, address, policy))
    start = max(row.percent_at, end - timedelta(seconds=policy.window_seconds))
    with ThreadPoolExecutor(2, thread_name_prefix="look") as others:
        checking = others.submit(eyes.probe, address) if address else None
        of_stable = others.submit(
            eyes.monitoring.fared, row.service, row.region, row.previous or "", start=start, end=end
        )
        candidate = eyes.monitoring.fared(row.service, row.region, row.revision, start=start, end=end)
        health = checking.result() if checking else None
        stable = of_stable.result()
    failed_checks = row.failed_checks + 1 if checking is not None and (health is None or not health.up) else 0
    return Look(
        service, verdict=judge(candidate, stable, policy, failed_checks=failed_checks), failed_checks=failed_checks
    )


def _smoke(eyes: Eyes, row: Any, address: str | None, policy: Policy) -> Smoke:
    if address is None:
        return Smoke(passed=False, detail=f"{row.revision} has no tag: deploy with --tag, to have an address to try")
    return eyes.smoke_test(address, str(row.id), paths=policy.smoke_paths, job=policy.smoke_job)
