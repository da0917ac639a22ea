"""Moves traffic because an engineer says so. What was moved by hand is left alone by automation for a while."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from common.cloud_run.own_tags import STABLE_TAG
from common.errors import Conflict, InvalidInput
from common.releases import traffic
from common.releases.decision import successor
from common.releases.ledger import RecordWaiting
from common.releases.models import ROLLBACK, ROLLOUT, Alert, Decision
from common.releases.record import record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.cloud_run.port import Revision, Service, Target
    from common.releases.models import History
    from common.releases.record import Record
    from common.releases.rollback import Rollback

JUST = timedelta(minutes=2)
"""So soon after the traffic was moved an engineer may not know yet that it was."""

log = structlog.get_logger()


class NothingToRollBackTo(Conflict):
    """No older revision is ready, was promoted and never failed."""

    code = "nothing_to_roll_back_to"


def roll_back(
    rollback: Rollback, service: str, region: str, *, to: str | None, reason: str, by: str, force: bool = False
) -> Record:
    """Sends all the traffic back to `to`, or to the revision that automation would choose, and marks the newest that
    serves failed. Returns the record of what was done.

    Raises `InvalidInput` naming `to` when it is no revision to send anybody to (`force` allows one that failed
    before) or has to be said because the traffic was moved a moment ago, `NothingToRollBackTo`, and what `CloudRun`
    raises.
    """

    def choose(found: Service, history: History) -> tuple[str | None, str, list[Target]]:
        source = next((revision for revision in found.revisions if revision.name in found.serving), None)
        if source is None:
            raise NothingToRollBackTo(f"no revision of {service} gets any traffic")
        if to is None:
            _check_still(found, history, rollback.clock())
        target = _named(found, to, history, force) if to else successor(source, found, history)
        if target is None:
            raise NothingToRollBackTo(f"no older revision than {source.name} is ready, was promoted and never failed")
        if target.name == source.name:
            raise InvalidInput.of("to", f"{target.name} is the revision to take back")
        return source.name, target.name, traffic.back_to(found, target.name, source.name)

    return _move(rollback, service, region, choose, reason=reason, by=by)


def promote(
    rollback: Rollback, service: str, region: str, *, revision: str, reason: str, by: str, force: bool = False
) -> Record:
    """Sends all the traffic to a revision and returns the record of it. Raises as `roll_back` does."""

    def choose(found: Service, history: History) -> tuple[str | None, str, list[Target]]:
        target = _named(found, revision, history, force, field="revision")
        stable = found.tagged(STABLE_TAG)
        return None, target.name, traffic.promoted(found, target.name, stable.revision if stable else None)

    return _move(rollback, service, region, choose, reason=reason, by=by)


def _move(
    rollback: Rollback,
    service: str,
    region: str,
    choose: Callable[[Service, History], tuple[str | None, str, Sequence[Target]]],
    *,
    reason: str,
    by: str,
) -> Record:
    if by in (ROLLBACK, ROLLOUT):
        raise InvalidInput.of("by", f"{by} is what automation is called")
    record: Record | None = None
    try:
        with rollback.ledger.opened(service, region, datetime.now(UTC)) as page:
            found = rollback.cloud_run.service(service, region)
            source, target, wanted = choose(found, traffic.remembered(found, page.history))
            asked = _record(service, region, reason, by, source, target)
            record = rollback.move(page, asked, found.named, wanted)
    except RecordWaiting as error:
        if record is None:
            raise
        log.warning("record_waiting", detail=error.detail)  # no reason to tell the engineer that it was not done
    assert record is not None
    return record


def _check_still(service: Service, history: History, now: datetime) -> None:
    """Raises `InvalidInput` when the traffic was moved a moment ago: what is sent back then was not meant."""
    moved = max((at for at in (*history.rolled_back_at, history.moved_by_hand_at) if at is not None), default=None)
    if moved is not None and now - moved < JUST:
        where = " and ".join(service.serving)
        raise InvalidInput.of("to", f"the traffic was moved a moment ago, to {where}: say which revision to go back to")


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
