"""Looks at a release before its step is taken: tries it, or sees how it fares. Holds no lock and no connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from common.errors import Unavailable
from common.releases.judge import Verdict, judge, weigh

if TYPE_CHECKING:
    from common.cloud_run.port import CloudRun, Service
    from common.monitoring.port import Monitoring
    from common.releases.models import Policy, Release
    from common.releases.probe import Probe
    from common.releases.smoke import SmokeTest

LEAST_SPAN = timedelta(seconds=1)
AT_ONCE = 4


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


@dataclass(frozen=True, slots=True)
class Look:
    """What came of a look, and how many health checks in a row have failed by now."""

    verdict: Verdict
    failed_checks: int = 0


def look_at(release: Release, eyes: Eyes, policy: Policy, end: datetime) -> Look:
    """Looks at a release in state `smoke` or `walking`. Raises what reading a service of Cloud Run does."""
    service = eyes.cloud_run.service(release.service, release.region)
    if release.state == "smoke":
        return Look(_try(release, service, eyes, policy))
    return _watch(release, service, eyes, policy, end)


def spans(since: datetime, end: datetime, policy: Policy) -> Iterator[tuple[datetime, datetime]]:
    """The spans of time to judge one by one, newest first: windows of the policy, as far back as Monitoring may lag
    behind, but no earlier than `since`. What it does not show yet in one of them it shows in another."""
    window = timedelta(seconds=policy.window_seconds)
    earliest = min(max(since, end - window - timedelta(seconds=policy.lag_seconds)), end - LEAST_SPAN)
    while end > earliest:
        start = max(earliest, end - window)
        yield start, end
        end = start


def _try(release: Release, service: Service, eyes: Eyes, policy: Policy) -> Verdict:
    address = _address(service, release.revision)
    if address is None:
        return Verdict("hold", "no_address", f"{release.revision} has no tag any more, and so no address to try it at")
    smoke = eyes.smoke_test(address, release.revision, paths=policy.smoke_paths, job=policy.smoke_job)
    if smoke.passed:
        return Verdict("advance", "smoke_passed", smoke.detail)
    said = f"the smoke test failed: {smoke.detail}"
    if not smoke.judges:
        return Verdict("hold", "locked_out", f"{said}; is the API key of the rollout that of {release.service}?")
    # Before its first share all users are with the stable revision, which then needs no tag.
    stable = eyes.probe(_address(service, release.previous) or service.uri)
    if stable is not None and not stable.up:
        return Verdict("hold", "dependency", f"{said}, but the stable revision is ill as well: {stable.detail}")
    return Verdict("roll_back", "smoke_failed", said)


def _watch(release: Release, service: Service, eyes: Eyes, policy: Policy, end: datetime) -> Look:
    since = release.percent_at or end
    address, stable_address = _address(service, release.revision), _address(service, release.previous)
    with ThreadPoolExecutor(2, thread_name_prefix="look") as others:
        checking = others.submit(eyes.probe, address) if address else None
        of_stable = others.submit(eyes.probe, stable_address) if stable_address else None
        verdicts = _verdicts(release, eyes, policy, since, end)
        health = checking.result() if checking else None
        stable = of_stable.result() if of_stable else None
    failed_checks = release.failed_checks + 1 if checking is not None and (health is None or not health.up) else 0
    ill = stable.detail if stable is not None and not stable.up else ""
    return Look(weigh(verdicts, policy, failed_checks=failed_checks, stable_ill=ill), failed_checks)


def _verdicts(release: Release, eyes: Eyes, policy: Policy, since: datetime, end: datetime) -> Sequence[Verdict]:
    """The verdicts on all spans; where each has too few requests, on all the time since the release has its share."""

    def verdict(span: tuple[datetime, datetime]) -> Verdict:
        where, (start, until) = (release.service, release.region), span
        candidate = eyes.monitoring.fared(*where, release.revision, start=start, end=until)
        stable = eyes.monitoring.fared(*where, release.previous or "", start=start, end=until)
        return judge(candidate, stable, policy)

    found = list(spans(since, end, policy))
    try:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="figures") as pool:
            verdicts = list(pool.map(verdict, found))
        if since < found[-1][0] and all(each.code == "too_few_requests" for each in verdicts):
            return [verdict((since, end))]
    except Unavailable as error:
        return [Verdict("hold", "unseen", f"how it fares could not be seen: {error.detail}")]
    return verdicts


def _address(service: Service, revision: str | None) -> str | None:
    return next((each.uri for each in service.statuses if each.revision == revision and each.uri), None)
