"""Walks a new revision from no traffic to all of it, a step at a time.

A step is looked at without a lock or a connection, since a look takes its time, and taken under the lock of its
service if nobody took it meanwhile. A change of traffic is written down before it is made: whoever finds one that
was asked for finishes it before anything else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from common.bus.topology import RELEASES
from common.cloud_run.documents import same_shares
from common.errors import SightError
from common.notify import send
from common.notify.service import tell
from common.releases import store, walk_store
from common.releases.departure import Refused, departure
from common.releases.look import Look, look_at
from common.releases.models import ROLLOUT
from common.releases.steps import WALKING, Step, next_step, shares, wanted
from common.releases.walk_message import refusal
from common.releases.walk_moves import Moves, due

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from common.bus.port import Bus
    from common.cloud_run.port import CloudRun
    from common.monitoring.port import Monitoring
    from common.releases.events import ReleaseDeployed, ReleaseStepDue
    from common.releases.models import Policy, Release
    from common.releases.probe import Probe
    from common.releases.smoke import SmokeTest

OVERDUE_SECONDS = 300.0
"""How late a step may be before it counts as lost: longer than a look takes."""

log = structlog.get_logger()


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
    _alone: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def _locked(self, service: str, region: str) -> AbstractContextManager[Connection]:
        return walk_store.locked(self.engine, service, region, self._alone)

    @cached_property
    def _moves(self) -> Moves:
        return Moves(self.bus, self.cloud_run, self.policies, self.channels)

    def begin(self, event: ReleaseDeployed) -> UUID | None:
        """Begins to release a revision that was deployed without traffic, once however often it is announced.

        Returns None when it is known already or not to be released, whatever the reason; in that case those who have
        to know are told. Raises `Unavailable` when the event has to come again.
        """
        try:
            begun = self.release(event)
        except SightError as error:
            if error.retryable:
                raise
            self._refuse(event, error.detail)
            return None
        return None if begun is None else begun.id

    def release(self, event: ReleaseDeployed, *, by: str | None = None) -> Release | None:
        """Begins a release as `begin` does and returns it, None when it is on its way already.

        An engineer, `by` name, may also release an older revision, have one released again that was replaced, and
        let one go on that waits. Raises `Refused`, `ServiceNotFound`, `CloudRunRefused`, or `Unavailable` when it is
        worth trying again; where the release was begun by then, it goes on by itself in a moment.
        """
        policy = self.policies.get(event.service)
        if policy is None:
            raise Refused(f"{event.service} has no policy: it is not released by Sight")
        with self._locked(event.service, event.region) as connection:
            service = self.cloud_run.service(event.service, event.region)
            with connection.begin():
                found = departure(connection, event, service, policy, self.clock(), by=by)
            if found is None:
                return None
            asked, told = None, []
            with connection.begin():
                begun = walk_store.begin(connection, event, found)
                if found.replaces is not None:
                    reason = f"{found.revision} takes its place"
                    walk_store.supersede(connection, found.replaces, reason)
                    told += self._moves.line(connection, found.replaces, "replaced", reason)
                store.mark_promoted(connection, event.service, event.region, found.stable, "had the traffic before")
                if not same_shares(service.traffic, shares(begun), service.latest_ready):
                    asked = walk_store.ask(connection, begun, service.named, wanted(begun, service), ROLLOUT)
                said = f"{found.revision} is to take over from {found.stable}" + (f", says {by}" if by else "")
                told += self._moves.line(connection, begun, "deployed", said)
            send.offer(self.bus, told)
            if asked is not None:
                with self._moves.finished_soon(begun):
                    self._moves.make(connection, begun, asked)
            else:
                self._moves.schedule(begun, 0.0)
            return begun

    def abort(self, service: str, region: str, *, by: str, reason: str) -> Release:
        """Ends the release of a service that is under way without marking its revision failed, and sends its users
        back to the stable one, unless somebody else has moved the traffic since. Returns the release.

        Raises `Refused` when there is none, and what reading a service of Cloud Run does. Raises
        `CloudRunUnavailable` as well when it is not known whether the users are back: that is finished in a moment, or
        by asking again.
        """
        with self._locked(service, region) as connection:
            with connection.begin():
                release = walk_store.under_way(connection, service, region)
                ended = walk_store.cut_off(connection, service, region) if release is None else None
            if ended is not None:
                return self._finish(connection, ended)
            if release is None:
                raise Refused(f"no release of {service} is under way")
            found = self.cloud_run.service(service, region)
            with connection.begin():
                ours = walk_store.left_by(connection, release, found)
                asked = walk_store.asked(connection, release.id)
                if asked is not None:
                    walk_store.close(connection, release, asked, "failed", f"{by} ended the release before it was done")
            back, latest = shares(replace(release, percent=0)), found.latest_ready
            away = not all(same_shares(each, back, latest) for each in (found.traffic, found.statuses))
            said = f"{by} ended it: {reason}"
            if away and not ours:
                said += "; somebody else moved the traffic: it is left as it is now"
            step = Step("replaced", 0, "aborted", said, moves=ours and away)
            with self._moves.finished_soon(release):
                self._moves.apply(connection, release, step, found, actor=by)
            return release

    def _finish(self, connection: Connection, release: Release) -> Release:
        with connection.begin():
            asked = walk_store.asked(connection, release.id)
        assert asked is not None
        with self._moves.finished_soon(release):
            self._moves.resume(connection, release, asked)
        return release

    def take(self, event: ReleaseStepDue) -> None:
        """Looks at a release and takes its step, unless somebody has. Raises `Unavailable` when it has to come
        again."""
        with self.engine.connect() as connection:
            release = walk_store.get(connection, event.release_id)
            if release is None:
                return
            unfinished = walk_store.asked(connection, release.id)
            paused = walk_store.is_paused(connection, release.service, release.region)
        if unfinished is None and release.step != event.step:
            return
        policy, look = self.policies.get(release.service), None
        to_look = unfinished is None and release.state in WALKING and not paused
        try:
            if to_look and policy is not None and policy.automatic:
                look = look_at(release, self, policy, self.clock())
            with self._locked(release.service, release.region) as connection:
                self._take(connection, release.id, event.step, look)
        except SightError as error:
            if error.retryable:
                raise
            self._stop(release, error.detail)

    def overdue(self) -> int:
        """Asks again for steps that nobody took in time, and returns how many. Raises `BusUnavailable`."""
        with self.engine.connect() as connection:
            found = walk_store.overdue(connection, OVERDUE_SECONDS)
        if found:
            self.bus.publish(RELEASES, [due(release_id, number) for release_id, number in found])
        return len(found)

    def _take(self, connection: Connection, release_id: UUID, number: int, look: Look | None) -> None:
        with connection.begin():
            release = walk_store.get(connection, release_id)
            asked = walk_store.asked(connection, release_id)
        assert release is not None
        if asked is not None:
            self._moves.resume(connection, release, asked)
        elif release.step == number and release.state in WALKING:
            self._step(connection, release, look)
        elif release.step == number:
            with connection.begin():  # somebody else ended it: by a rollback, or by hand
                told = self._moves.tell(connection, release_id)
            send.offer(self.bus, told)

    def _step(self, connection: Connection, release: Release, look: Look | None) -> None:
        service = self.cloud_run.service(release.service, release.region)
        policy = self.policies.get(release.service)
        with connection.begin():
            paused = walk_store.is_paused(connection, release.service, release.region)
            mover = walk_store.mover(connection, release) or service.last_modifier or "somebody"
        step: Step | None = Step("waiting", release.percent, "waiting", f"{release.service} has no policy any more")
        if policy is not None:
            step = next_step(release, look, service, policy, paused=paused, mover=mover)
        if step is not None:
            self._moves.apply(connection, release, step, service)

    def _stop(self, release: Release, detail: str) -> None:
        """Leaves a release to a human that cannot be looked at, however often it is tried."""
        with self._locked(release.service, release.region) as connection:
            step = Step("waiting", release.percent, "waiting", detail)
            if release.state in WALKING:
                self._moves.apply(connection, release, step, None)

    def _refuse(self, event: ReleaseDeployed, reason: str) -> None:
        log.warning("release_refused", service=event.service, reason=reason)
        thread = f"refused/{event.region}/{event.service}/{event.revision or event.tag}"
        with self.engine.begin() as connection:
            store.add_line(connection, event.service, event.region, "refused", reason)
            told = tell(connection, thread, refusal(event, reason), self.channels)
        send.offer(self.bus, told)
