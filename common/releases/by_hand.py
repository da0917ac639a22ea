"""Moves traffic because an engineer says so. What was moved by hand is left alone by automation for a while."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from common.errors import Conflict, InvalidInput
from common.releases import traffic
from common.releases.decision import successor
from common.releases.models import ROLLBACK, ROLLOUT, STABLE_TAG, Alert, Decision
from common.releases.record import record_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from common.cloud_run.port import Revision, Service, Target
    from common.releases.ledger import Page
    from common.releases.models import History
    from common.releases.record import Record
    from common.releases.rollback import Rollback


class NothingToRollBackTo(Conflict):
    """No older revision is ready, was promoted and never failed."""

    code = "nothing_to_roll_back_to"


def roll_back(
    rollback: Rollback, service: str, region: str, *, to: str | None, reason: str, by: str, force: bool = False
) -> Record:
    """Sends all the traffic back to `to`, or to the revision that automation would choose, and marks the newest that
    serves failed. Returns the record of what was done.

    Raises `InvalidInput` naming `to` when it is no revision to send anybody to (`force` allows one that failed
    before), `NothingToRollBackTo`, and what `CloudRun` raises.
    """
    with _opened(rollback, service, region, by) as page:
        found = rollback.cloud_run.service(service, region)
        history = traffic.remembered(found, page.history)
        source = next((revision for revision in found.revisions if revision.name in found.serving), None)
        if source is None:
            raise NothingToRollBackTo(f"no revision of {service} gets any traffic")
        target = _named(found, to, history, force) if to else successor(source, found, history)
        if target is None:
            raise NothingToRollBackTo(f"no older revision than {source.name} is ready, was promoted and never failed")
        if target.name == source.name:
            raise InvalidInput.of("to", f"{target.name} is the revision to take back")
        record = _record(service, region, reason, by, source.name, target.name)
        wanted = traffic.back_to(found, target.name, source.name)
        return rollback.move(page, record, found.traffic, wanted)


def promote(
    rollback: Rollback, service: str, region: str, *, revision: str, reason: str, by: str, force: bool = False
) -> Record:
    """Sends all the traffic to a revision and returns the record of it. Raises as `roll_back` does."""
    with _opened(rollback, service, region, by) as page:
        found = rollback.cloud_run.service(service, region)
        history = traffic.remembered(found, page.history)
        target = _named(found, revision, history, force, field="revision")
        stable = found.tagged(STABLE_TAG)
        wanted: list[Target] = traffic.promoted(found, target.name, stable.revision if stable else None)
        return rollback.move(page, _record(service, region, reason, by, None, target.name), found.traffic, wanted)


def _opened(rollback: Rollback, service: str, region: str, by: str) -> AbstractContextManager[Page]:
    if by in (ROLLBACK, ROLLOUT):
        raise InvalidInput.of("by", f"{by} is what automation is called")
    return rollback.ledger.opened(service, region, datetime.now(UTC))


def _named(service: Service, name: str, history: History, force: bool, *, field: str = "to") -> Revision:
    revision = service.by_name.get(name)
    if revision is None:
        raise InvalidInput.of(field, f"{service.name} has no revision {name}")
    if not revision.ready:
        raise InvalidInput.of(field, f"{name} is not ready: {revision.reason or 'Cloud Run does not say why'}")
    if name in history.failed and not force:
        raise InvalidInput.of(field, f"{name} is marked failed; say force to send users there all the same")
    return revision


def _record(service: str, region: str, reason: str, by: str, source: str | None, target: str) -> Record:
    alert = Alert(
        incident_id=f"by-hand-{uuid.uuid4()}",
        version="by_hand",
        state="closed",
        kind="other",
        service=service,
        region=region,
        revision=source,
        opted_in=True,
        summary=reason,
    )
    decision = Decision("roll_back", "by_hand", reason, source, target)
    return record_of(alert, {}, actor=by).decided(decision)
