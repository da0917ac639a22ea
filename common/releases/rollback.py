"""Answers an alert: looks, decides, moves the traffic where that is right, and writes down what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from common.cloud_run.documents import same_shares, same_traffic
from common.cloud_run.port import CloudRunUnavailable, NoCloudRun, ServiceNotFound, TrafficNotMoved
from common.errors import SightError, Unavailable
from common.releases import alerts, traffic
from common.releases.decision import FROM_USERS, accused, decide, successor
from common.releases.models import ROLLBACK, Decision, Evidence
from common.releases.record import record_of

if TYPE_CHECKING:
    from common.cloud_run.port import CloudRun, Revision, Service, Target
    from common.monitoring.port import Fared, Monitoring
    from common.releases.ledger import Ledger, Page
    from common.releases.models import Alert, History, Policy
    from common.releases.probe import Probe
    from common.releases.record import Record

PATIENCE = timedelta(minutes=5)
"""For so long after an incident began what cannot be had is asked for again before a human is told of it."""

OVERDUE_SECONDS = 180.0
"""A change of traffic that was asked for so long ago was cut off: none takes so long."""

log = structlog.get_logger()


class EvidenceMissing(Unavailable):
    """What has to be known before acting cannot be learnt right now."""

    code = "evidence_missing"


@dataclass(frozen=True)
class Rollback:
    """What answering alerts needs. `policies` are by service: those in it may be rolled back."""

    cloud_run: CloudRun
    monitoring: Monitoring
    probe: Probe
    ledger: Ledger
    policies: Mapping[str, Policy]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def answer(self, data: bytes) -> Decision:
        """Answers the alert in a message and returns the decision. Raises `Unavailable` when it has to come again:
        Cloud Run cannot be reached, another instance is at it, or the record could be kept nowhere."""
        alert, notification = alerts.read(data)
        record = record_of(alert, notification)
        with ThreadPoolExecutor(1, thread_name_prefix="service") as other:
            looking = other.submit(self._service, alert)
            with self.ledger.opened(record.service, record.region, self.clock(), incident_id=alert.incident_id) as page:
                earlier = page.earlier(record)
                if earlier is not None:
                    record = record.after(earlier)
                    if earlier.change is not None and earlier.change.state == "asked":
                        return self._resume(page, record)
                try:
                    # While this one waited for another to be done, that one may have moved the traffic.
                    service = self._service(alert) if page.waited else looking.result()
                except CloudRunUnavailable as error:
                    self._tell_of(error, page, record, alert)
                    raise
                except TrafficNotMoved as error:
                    decision = Decision("notify", "cloud_run_refused", error.detail)
                    page.write(record.decided(decision))
                    return decision
                decision = self._decide(alert, service, page.history)
                if earlier is None or decision.action != "none":
                    record = record.decided(decision)
                log.info("decided", service=record.service, action=decision.action, code=decision.code)
                if decision.action == "roll_back" and not decision.dry_run:
                    assert service is not None
                    assert decision.source is not None
                    assert decision.target is not None
                    wanted = traffic.back_to(service, decision.target, decision.source)
                    self.move(page, record, service.named, wanted)
                else:
                    page.write(record)
                return decision

    def rehearse(self, data: bytes) -> Decision:
        """The decision on an alert as if it came now for the first time, and nothing done about it."""
        alert, _ = alerts.read(data)
        alert = replace(alert, state="open")
        history = self.ledger.history(alert.service or "", alert.region or "", self.clock())
        return replace(self._decide(alert, self._service(alert), history), dry_run=True)

    def finish_overdue(self) -> int:
        """Finishes the changes of traffic whose instance died, and whose alert does not come again; returns how many
        there were. One that cannot be finished now is left for the next time."""
        overdue = self.ledger.unfinished(OVERDUE_SECONDS)
        for record in overdue:
            try:
                with self.ledger.opened(record.service, record.region, self.clock()) as page:
                    begun = page.earlier(record)
                    if begun is not None and begun.change is not None and begun.change.state == "asked":
                        self._resume(page, begun)
            except SightError as error:
                log.warning("not_finished", service=record.service, code=error.code, detail=error.detail)
        return len(overdue)

    def _tell_of(self, error: CloudRunUnavailable, page: Page, record: Record, alert: Alert) -> None:
        if alert.started_at is None or self.clock() - alert.started_at > PATIENCE:
            page.write(
                record.decided(Decision("notify", "cloud_run_unavailable", f"{error.detail}: it is tried again"))
            )

    def _service(self, alert: Alert) -> Service | None:
        """The service where something may be done about it; for all else it need not be looked at."""
        to_judge = alert.version == alerts.VERSION and alert.state == "open" and alert.opted_in
        if not to_judge or alert.service is None or alert.region is None or alert.service not in self.policies:
            return None
        try:
            return self.cloud_run.service(alert.service, alert.region)
        except (ServiceNotFound, NoCloudRun):
            return None

    def _decide(self, alert: Alert, service: Service | None, history: History) -> Decision:
        policy = self.policies.get(alert.service or "")
        now = self.clock()
        if service is not None:
            history = traffic.remembered(service, history)
        # What has to be looked up is only looked up where all else is in favour.
        enough = Evidence(requests=policy.min_requests if policy else 0, others_fail_too=False)
        decision = decide(alert, service, history, enough, policy, now)
        if decision.action != "roll_back" or service is None or policy is None:
            return decision
        evidence = self._evidence(alert, service, history, policy, now)
        return decide(alert, service, history, evidence, policy, now)

    def _evidence(self, alert: Alert, service: Service, history: History, policy: Policy, now: datetime) -> Evidence:
        source = accused(alert, service)
        target = successor(source, service, history) if source else None
        assert source is not None
        assert target is not None
        address = next((each.uri for each in service.statuses if each.revision == target.name and each.uri), None)
        with ThreadPoolExecutor(2, thread_name_prefix="evidence") as others:
            probing = others.submit(self.probe, address) if address else None
            comparing = others.submit(self._fares_badly, alert, service, target, policy, now)
            requests = self._requests(alert, service, source.name, policy, now)
            health = probing.result() if probing else None
            suffers = comparing.result()
        if health is not None and not health.up:
            return Evidence(requests, others_fail_too=True, detail=health.detail)
        if suffers:
            return Evidence(requests, others_fail_too=True, detail=suffers)
        if health is None:
            return Evidence(requests)
        return Evidence(requests, others_fail_too=False, detail=health.detail)

    def _fares_badly(self, alert: Alert, service: Service, target: Revision, policy: Policy, now: datetime) -> str:
        """How the revision that would take over suffers from the same, where it has enough traffic to tell."""
        if target.name not in service.serving or alert.kind not in ("errors", "latency"):
            return ""
        try:
            fared = self._fared(service, target.name, policy, now)
        except Unavailable:
            return ""
        if fared.requests < policy.min_requests:
            return ""
        if alert.kind == "errors" and fared.error_share is not None and fared.error_share > policy.error_share:
            return f"{fared.error_share:.0%} of its own answers are errors"
        if alert.kind == "latency" and fared.p95_ms is not None and fared.p95_ms > policy.p95_ms:
            return f"its own 95th percentile is {fared.p95_ms:.0f} ms"
        return ""

    def _requests(self, alert: Alert, service: Service, revision: str, policy: Policy, now: datetime) -> int | None:
        if alert.kind not in FROM_USERS:
            return None
        try:
            return self._fared(service, revision, policy, now).requests
        except Unavailable as error:
            if alert.started_at is not None and now - alert.started_at < PATIENCE:
                raise EvidenceMissing(error.detail) from error
            return None

    def _fared(self, service: Service, revision: str, policy: Policy, now: datetime) -> Fared:
        # An alert is about what Monitoring showed by then, which may be older than the window.
        start = now - timedelta(seconds=policy.window_seconds + policy.lag_seconds)
        return self.monitoring.fared(service.name, service.region, revision, start=start, end=now)

    def move(self, page: Page, record: Record, before: Sequence[Target], after: Sequence[Target]) -> Record:
        """Makes a change of traffic that was decided, written down before and after, and returns the record of it.

        Raises `CloudRunUnavailable` when it is not known whether the traffic moved: the record then says `asked`.
        """
        record = record.asking(before, after)
        page.write(record)
        return self._make(page, record, after)

    def _resume(self, page: Page, begun: Record) -> Decision:
        """Finishes what an instance that died had begun: the same change, whatever else would be decided now, unless
        the world has moved on."""
        assert begun.change is not None
        assert begun.target is not None
        decision = Decision("roll_back", begun.code or "", begun.reason or "", begun.source, begun.target)
        log.info("resumed", service=begun.service, target=begun.target)
        try:
            found = self.cloud_run.service(begun.service, begun.region)
        except (TrafficNotMoved, ServiceNotFound) as error:
            page.write(begun.failed(error.detail))
            return decision
        if not found.reconciling and same_traffic(found.statuses, begun.change.after, found.latest_ready):
            page.write(begun.verified())
        elif same_shares(found.traffic, begun.change.after, found.latest_ready):
            self._make(page, begun, begun.change.after)
        elif begun.state == "closed":
            why = "the incident closed" if begun.actor == ROLLBACK else "the process that was to do it ended"
            page.write(begun.failed(f"{why} before the traffic was moved"))
        elif same_shares(found.traffic, begun.change.before, found.latest_ready):
            wanted = traffic.back_to(found, begun.target, begun.source) if begun.source else begun.change.after
            self._make(page, begun, wanted)
        else:
            page.write(begun.failed("somebody else moved the traffic meanwhile: it is left to them"))
        return decision

    def _make(self, page: Page, record: Record, wanted: Sequence[Target]) -> Record:
        assert record.change is not None
        try:
            self.cloud_run.move(record.service, record.region, wanted, seen=record.change.before)
        except (TrafficNotMoved, ServiceNotFound) as error:
            log.error("traffic_not_moved", service=record.service, detail=error.detail)
            record = record.failed(error.detail)
        else:
            log.info("traffic_moved", service=record.service, target=record.target)
            record = record.verified()
        page.write(record)
        return record
