"""Walks a new revision from no traffic to all of it, a step at a time.

A step is looked at without a lock or a connection, since a look takes its time, and taken under the lock of its
service if nobody took it meanwhile. A change of traffic is written down before it is made: whoever finds one that
was asked for finishes it before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import structlog

from common.bus.port import BusUnavailable
from common.bus.port import Message as BusMessage
from common.bus.topology import RELEASES
from common.cloud_run.documents import same_shares
from common.cloud_run.port import ServiceNotFound, TrafficNotMoved
from common.errors import Conflict
from common.notify import send
from common.notify.models import Message
from common.notify.service import tell
from common.releases import store, traffic, walk_store
from common.releases.events import ReleaseStepDue
from common.releases.look import Look, look_at
from common.releases.record import Change
from common.releases.walk_message import message

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from common.bus.port import Bus
    from common.cloud_run.port import CloudRun, Service, Target
    from common.monitoring.port import Monitoring
    from common.releases.events import ReleaseDeployed
    from common.releases.models import Policy
    from common.releases.probe import Probe
    from common.releases.smoke import SmokeTest

ACTOR = "rollout"
OVERDUE_SECONDS = 60.0

log = structlog.get_logger()


class Refused(Conflict):
    """This revision is not released."""

    code = "release_refused"


@dataclass(frozen=True)
class Walk:
    """What walking needs. `policies` are by service: those in it are released this way."""

    engine: Engine
    bus: Bus
    cloud_run: CloudRun
    monitoring: Monitoring
    probe: Probe
    smoke_test: SmokeTest
    policies: Mapping[str, Policy]
    channels: tuple[str, ...]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def begin(self, event: ReleaseDeployed) -> UUID | None:
        """Begins to release a revision that was deployed without traffic, once however often it is announced.

        Returns None when there is nothing to release: it failed before, is released already, does not exist or
        its service has no policy. Those who have to know are told. Raises `Unavailable` when it has to come again.
        """
        try:
            service = self.cloud_run.service(event.service, event.region)
            revision = self._revision(event, service)
        except (ServiceNotFound, Refused) as error:
            self._refuse(event, error.detail)
            return None
        with walk_store.locked(self.engine, event.service, event.region) as connection:
            try:
                return self._begin(connection, event, service, revision)
            except Refused as error:
                self._refuse(event, error.detail)
                return None

    def take(self, event: ReleaseStepDue) -> None:
        """Looks at a release and takes its step, unless somebody has. Raises `Unavailable` when it has to come
        again."""
        with self.engine.connect() as connection:
            row = walk_store.get(connection, event.release_id)
        if row is None:
            return
        if row.state in walk_store.WALKING and row.step == event.step:
            look = look_at(row, self, self.policies[row.service], self.clock())
        elif self._unfinished(row):
            look = Look(self.cloud_run.service(row.service, row.region))
        else:
            return
        with walk_store.locked(self.engine, row.service, row.region) as connection:
            self._take(connection, row.id, event.step, look)

    def overdue(self) -> int:
        """Asks again for steps that nobody took in time, and returns how many. Raises `BusUnavailable`."""
        with self.engine.connect() as connection:
            found = walk_store.overdue(connection, OVERDUE_SECONDS)
        for release_id, number in found:
            self._schedule(release_id, number, 0.0)
        return len(found)

    def _revision(self, event: ReleaseDeployed, service: Service) -> str:
        """The revision an event names. Raises `Refused`."""
        tagged = service.tagged(event.tag) if event.tag else None
        revision = service.by_name.get(event.revision or (tagged.revision if tagged else None) or "")
        if event.service not in self.policies:
            raise Refused(f"{event.service} has no policy: it is not released by Sight")
        if revision is None:
            raise Refused(f"{event.service} has no revision {event.revision or f'tagged {event.tag}'}")
        if not revision.ready:
            raise Refused(f"{revision.name} is not ready: {revision.reason or 'Cloud Run does not say why'}")
        return revision.name

    def _begin(self, connection: Connection, event: ReleaseDeployed, service: Service, revision: str) -> UUID | None:
        with connection.begin():
            known = walk_store.find(connection, event.service, event.region, revision)
            failed = traffic.remembered(service, store.history(connection, event.service, event.region, self.clock()))
        if revision in failed.failed:
            raise Refused(f"{revision} is marked failed and is never tried again")
        if known is not None:
            return None
        if revision in service.serving:
            raise Refused(f"{revision} has traffic already; deploy with --no-traffic to have it released")
        stable = max(service.serving, key=lambda name: service.serving[name], default=None)
        with connection.begin():
            release_id = walk_store.begin(
                connection, event.service, event.region, revision, previous=stable, tag=event.tag
            )
            if stable is not None:
                store.mark_promoted(connection, event.service, event.region, stable, "had the traffic before")
            store.add_line(
                connection,
                event.service,
                event.region,
                "deployed",
                f"{revision} is to take over from {stable}",
                release_id=release_id,
            )
            told = self._tell(connection, release_id)
        send.offer(self.bus, told)
        self._schedule(release_id, 0, 0.0)
        return release_id

    def _unfinished(self, row: Any) -> bool:
        with self.engine.connect() as connection:
            return walk_store.asked(connection, row.id) is not None

    def _take(self, connection: Connection, release_id: UUID, number: int, look: Look) -> None:
        with connection.begin():
            row = walk_store.get(connection, release_id)
            unfinished = walk_store.asked(connection, release_id)
        assert row is not None
        if unfinished is not None:
            self._finish(connection, row, *unfinished)
            return
        if row.step != number or row.state not in walk_store.WALKING:
            return
        with connection.begin():
            paused = store.history(connection, row.service, row.region, self.clock()).paused
        policy = self.policies[row.service]
        if paused or not policy.automatic:
            self._rest(connection, row, "automation is paused", look, holds=row.holds)
        elif row.state == "walking" and not same_shares(look.service.statuses, _shares(row), look.service.latest_ready):
            who = look.service.last_modifier or "somebody"
            self._end(connection, row, "replaced", f"{who} moved the traffic; it is left to them")
        elif look.smoke is not None:
            self._after_smoke(connection, row, look)
        else:
            self._after_look(connection, row, look)

    def _after_smoke(self, connection: Connection, row: Any, look: Look) -> None:
        assert look.smoke is not None
        if look.smoke.passed:
            self._shift(connection, row, look, self.policies[row.service].steps[0], look.smoke.detail)
        else:
            self._fail(connection, row, look, f"the smoke test failed: {look.smoke.detail}")

    def _after_look(self, connection: Connection, row: Any, look: Look) -> None:
        policy, verdict = self.policies[row.service], look.verdict
        assert verdict is not None
        if verdict.action == "roll_back":
            self._fail(connection, row, look, verdict.reason)
        elif verdict.action == "hold":
            if row.holds + 1 >= policy.max_holds:
                self._end(connection, row, "waiting", f"{row.holds + 1} looks could not judge: {verdict.reason}")
            else:
                self._rest(connection, row, verdict.reason, look, holds=row.holds + 1)
        else:
            following = next((percent for percent in policy.steps if percent > row.percent), None)
            if following is None:
                self._end(connection, row, "promoted", verdict.reason)
            else:
                self._shift(connection, row, look, following, verdict.reason)

    def _rest(self, connection: Connection, row: Any, reason: str, look: Look, *, holds: int) -> None:
        policy = self.policies[row.service]
        with connection.begin():
            following = walk_store.step(
                connection,
                row.id,
                state=row.state,
                reason=reason,
                due_seconds=policy.step_seconds,
                holds=holds,
                failed_checks=look.failed_checks,
            )
            told = self._line(connection, row, "held", reason)
        send.offer(self.bus, told)
        self._schedule(row.id, following, policy.step_seconds)

    def _end(self, connection: Connection, row: Any, state: str, reason: str) -> None:
        with connection.begin():
            if state == "promoted":
                store.mark_promoted(connection, row.service, row.region, row.revision, reason)
            walk_store.step(connection, row.id, state=state, reason=reason, due_seconds=None)
            told = self._line(connection, row, state, reason)
        send.offer(self.bus, told)

    def _shift(self, connection: Connection, row: Any, look: Look, percent: int, reason: str) -> None:
        if percent == 100:
            wanted = traffic.promoted(look.service, row.revision, row.previous)
        else:
            shares = ((row.previous, 100 - percent), (row.revision, percent))
            wanted = traffic.split(look.service, shares, row.previous)
        policy = self.policies[row.service]
        if policy.dry_run:
            self._end(connection, row, "waiting", f"dry run: would send {percent} % to {row.revision}")
            return
        with connection.begin():
            walk_store.step(
                connection, row.id, state="walking", reason=reason, due_seconds=policy.step_seconds, percent=percent
            )
            told = self._line(connection, row, f"shifting_{percent}", f"{percent} % to {row.revision}: {reason}")
            change_id, change = self._ask(connection, row, look.service, wanted)
        send.offer(self.bus, told)
        self._finish(connection, row, change_id, change)

    def _fail(self, connection: Connection, row: Any, look: Look, reason: str) -> None:
        if row.previous is None:
            self._end(connection, row, "failed", reason)
            return
        wanted = traffic.back_to(look.service, row.previous, row.revision)
        with connection.begin():
            walk_store.step(connection, row.id, state="failed", reason=reason, due_seconds=None, percent=0)
            told = self._line(connection, row, "failed", f"{reason}; {row.revision} is marked failed")
            change_id, change = self._ask(connection, row, look.service, wanted)
        send.offer(self.bus, told)
        self._finish(connection, row, change_id, change)

    def _ask(self, connection: Connection, row: Any, service: Service, wanted: list[Target]) -> tuple[UUID, Change]:
        change_id, change = uuid5(row.id, str(row.step)), Change(tuple(service.traffic), tuple(wanted))
        store.write_change(connection, change_id, row.service, row.region, change, ACTOR, release_id=row.id)
        return change_id, change

    def _finish(self, connection: Connection, row: Any, change_id: UUID, change: Change) -> None:
        """Makes a change that was asked for, or finds it made. `CloudRunUnavailable` passes: it comes again."""
        where = (row.service, row.region)
        try:
            self.cloud_run.move(*where, change.after)
            state, detail = "verified", ""
        except (TrafficNotMoved, ServiceNotFound) as error:
            state, detail = "failed", error.detail
        with connection.begin():
            done = Change(change.before, change.after, state, detail)  # type: ignore[arg-type]
            store.write_change(connection, change_id, *where, done, ACTOR, release_id=row.id)
            now = walk_store.get(connection, row.id)
            assert now is not None
            if state == "failed":
                if now.state in walk_store.WALKING:
                    walk_store.step(connection, row.id, state="waiting", reason=detail, due_seconds=None)
                told = self._line(connection, row, "not_shifted", detail)
            else:
                told = self._line(connection, row, f"shifted_{now.percent}", f"{now.percent} % to {row.revision}")
        send.offer(self.bus, told)
        if state == "verified" and now.state in walk_store.WALKING:
            self._schedule(row.id, now.step, self.policies[row.service].step_seconds)

    def _line(self, connection: Connection, row: Any, type_: str, words: str) -> list[UUID]:
        store.add_line(connection, row.service, row.region, type_, words, release_id=row.id)
        return self._tell(connection, row.id)

    def _tell(self, connection: Connection, release_id: UUID) -> list[UUID]:
        row = walk_store.get(connection, release_id)
        said = message(row, walk_store.lines(connection, release_id))
        return tell(connection, f"release/{release_id}", said, self.channels)

    def _refuse(self, event: ReleaseDeployed, reason: str) -> None:
        log.warning("release_refused", service=event.service, reason=reason)
        said = Message(
            title=f"{event.service}: {event.revision or event.tag} is not released",
            status="trouble",
            text=reason,
            facts=(("service", event.service), ("region", event.region)),
            commands=(f"sight ops releases --service {event.service}",),
        )
        with self.engine.begin() as connection:
            store.add_line(connection, event.service, event.region, "refused", reason)
            thread = f"refused/{event.region}/{event.service}/{event.revision or event.tag}"
            told = tell(connection, thread, said, self.channels)
        send.offer(self.bus, told)

    def _schedule(self, release_id: UUID, number: int, delay: float) -> None:
        event = ReleaseStepDue(release_id=release_id, step=number)
        try:
            self.bus.publish(
                RELEASES, [BusMessage(event.model_dump_json().encode(), {"type": event.type})], delay=delay
            )
        except BusUnavailable as error:
            log.warning("bus_unavailable", detail=error.detail, waiting=1)


def _shares(row: Any) -> dict[str, int]:
    shares = {row.revision: row.percent}
    if row.percent < 100 and row.previous is not None:
        shares[row.previous] = 100 - row.percent
    return shares
