"""Answers an alert: looks, decides, moves the traffic where that is right, and writes down what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from common.cloud_run.documents import same_traffic
from common.cloud_run.port import CloudRunUnavailable, ServiceNotFound, TrafficNotMoved
from common.errors import Unavailable
from common.releases import alerts, traffic
from common.releases.decision import FROM_USERS, accused, decide, successor
from common.releases.models import Decision, Evidence
from common.releases.record import record_of

if TYPE_CHECKING:
    from common.cloud_run.port import CloudRun, Service, Target
    from common.monitoring.port import Monitoring
    from common.releases.ledger import Ledger, Page
    from common.releases.models import Alert, History, Policy
    from common.releases.probe import Probe
    from common.releases.record import Record

PATIENCE = timedelta(minutes=5)
"""For so long after an incident began its evidence is asked for again where it cannot be had."""

ACCOUNTS = ".gserviceaccount.com"
"""How the names of service accounts end, by which pipelines and Sight itself act."""

DEPLOYMENT = timedelta(minutes=1)

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
            with self.ledger.opened(record.service, record.region, self.clock()) as page:
                earlier = page.earlier(record)
                if earlier is not None:
                    record = record.after(earlier)
                    if earlier.change is not None and earlier.change.state == "asked":
                        return self._resume(page, record)
                service = looking.result()
                decision = self._decide(alert, service, page.history)
                if earlier is None or decision.action != "none":
                    record = record.decided(decision)
                log.info("decided", service=record.service, action=decision.action, code=decision.code)
                if decision.action == "roll_back" and not decision.dry_run:
                    assert service is not None
                    assert decision.source is not None
                    assert decision.target is not None
                    wanted = traffic.back_to(service, decision.target, decision.source)
                    self.move(page, record, service.traffic, wanted)
                else:
                    page.write(record)
                return decision

    def rehearse(self, data: bytes) -> Decision:
        """The decision on an alert as if it came now for the first time, and nothing done about it."""
        alert, _ = alerts.read(data)
        with self.ledger.opened(alert.service or "", alert.region or "", self.clock()) as page:
            forgetful = replace(page.history, acted_on=page.history.acted_on - {alert.incident_id})
            forgetful = replace(forgetful, closed=forgetful.closed - {alert.incident_id})
        return replace(self._decide(alert, self._service(alert), forgetful), dry_run=True)

    def _service(self, alert: Alert) -> Service | None:
        if alert.version != alerts.VERSION or alert.service is None or alert.region is None or not alert.opted_in:
            return None
        try:
            return self.cloud_run.service(alert.service, alert.region)
        except ServiceNotFound:
            return None

    def _decide(self, alert: Alert, service: Service | None, history: History) -> Decision:
        policy = self.policies.get(alert.service or "")
        now = self.clock()
        if service is not None:
            history = _with_hand(traffic.remembered(service, history), service)
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
        with ThreadPoolExecutor(1, thread_name_prefix="probe") as other:
            probing = other.submit(self.probe, address) if address else None
            requests = self._requests(alert, source.name, policy, now)
            health = probing.result() if probing else None
        if health is None:
            return Evidence(requests=requests)
        return Evidence(requests, others_fail_too=not health.up, detail=health.detail)

    def _requests(self, alert: Alert, revision: str, policy: Policy, now: datetime) -> int | None:
        assert alert.service is not None
        assert alert.region is not None
        if alert.kind not in FROM_USERS:
            return None
        start = now - timedelta(seconds=policy.window_seconds)
        try:
            return self.monitoring.fared(alert.service, alert.region, revision, start=start, end=now).requests
        except Unavailable as error:
            if alert.started_at is not None and now - alert.started_at < PATIENCE:
                raise EvidenceMissing(error.detail) from error
            return None

    def move(self, page: Page, record: Record, before: Sequence[Target], after: Sequence[Target]) -> Record:
        """Makes a change of traffic that was decided, written down before and after, and returns the record of it."""
        record = record.asking(before, after)
        page.write(record)
        return self._finish(page, record)

    def _resume(self, page: Page, begun: Record) -> Decision:
        """Finishes what an instance that died had begun: the same change, whatever else would be decided now."""
        self._finish(page, begun)
        return Decision("roll_back", begun.code or "", begun.reason or "", begun.source, begun.target)

    def _finish(self, page: Page, record: Record) -> Record:
        assert record.change is not None
        try:
            found = self.cloud_run.service(record.service, record.region)
            if not same_traffic(found.statuses, record.change.after, found.latest_ready):
                self.cloud_run.move(record.service, record.region, record.change.after)
        except CloudRunUnavailable:
            raise  # it comes again, and this change is finished then
        except (TrafficNotMoved, ServiceNotFound) as error:
            log.error("traffic_not_moved", service=record.service, detail=error.detail)
            record = record.failed(error.detail)
        else:
            log.info("traffic_moved", service=record.service, target=record.target)
            record = record.verified()
        page.write(record)
        return record


def _with_hand(history: History, service: Service) -> History:
    """The history with the last time a person moved the traffic, as Cloud Run tells it.

    A deployment changes the service as well, but creates a revision in the same moment.
    """
    newest = service.revisions[0].created_at if service.revisions else service.updated_at
    a_person = bool(service.last_modifier) and not service.last_modifier.endswith(ACCOUNTS)
    if not a_person or service.updated_at - newest < DEPLOYMENT:
        return history
    at = max(filter(None, (history.moved_by_hand_at, service.updated_at)))
    return replace(history, moved_by_hand_at=at)
