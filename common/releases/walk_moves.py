"""Carries out the steps of releases: each is one transaction, and then at most one change of traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from common.bus.port import BusUnavailable, Message
from common.bus.topology import RELEASES
from common.cloud_run.documents import same_shares, same_traffic
from common.cloud_run.port import CloudRunUnavailable, ServiceNotFound, TrafficNotMoved
from common.notify import send
from common.notify.service import tell
from common.releases import store, walk_store
from common.releases.events import ReleaseStepDue
from common.releases.models import ROLLOUT
from common.releases.steps import WALKING, Step, shares, wanted
from common.releases.walk_message import message

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.bus.port import Bus
    from common.cloud_run.port import CloudRun, Service
    from common.releases.models import Policy, Release, ReleaseState
    from common.releases.walk_store import Asked

FINISH_SECONDS = 5.0
"""So soon a change is finished that was cut off while nobody's event would bring it again."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Moves:
    """What carrying out steps needs. All its functions take a connection that holds the lock of the service."""

    bus: Bus
    cloud_run: CloudRun
    policies: Mapping[str, Policy]
    channels: tuple[str, ...]

    def apply(
        self, connection: Connection, release: Release, step: Step, service: Service | None, *, actor: str = ROLLOUT
    ) -> None:
        """Takes a step unless somebody has: writes it down, makes the change of traffic that it asks for and has the
        release looked at again. Raises `CloudRunUnavailable` when it is not known whether the traffic moved."""
        asked, told = None, []
        with connection.begin():
            after = walk_store.take(connection, release, step)
            if after is None:
                return
            if step.moves:
                assert service is not None
                asked = walk_store.ask(connection, after, service.named, wanted(after, service), actor)
            if step.line != "held" or step.reason != release.reason:
                told = self.line(connection, after, step.line, step.reason, alarming=step.alarming)
        log.info("stepped", service=release.service, revision=release.revision, state=step.state, percent=step.percent)
        send.offer(self.bus, told)
        if asked is not None:
            self.make(connection, after, asked)
        elif step.wait is not None:
            self.schedule(after, step.wait)

    def make(self, connection: Connection, release: Release, asked: Asked) -> None:
        """Makes a change that was asked for. `CloudRunUnavailable` passes: whoever comes next finishes it."""
        try:
            self.cloud_run.move(release.service, release.region, asked.change.after, seen=asked.change.before)
        except (TrafficNotMoved, ServiceNotFound) as error:
            log.error("traffic_not_moved", service=release.service, detail=error.detail)
            self._not_moved(connection, release, asked, error.detail)
        else:
            self._moved(connection, release, asked)

    def resume(self, connection: Connection, release: Release, asked: Asked) -> None:
        """Finishes what a process that died had begun, unless the release or the traffic has moved on."""
        try:
            service = self.cloud_run.service(release.service, release.region)
        except (TrafficNotMoved, ServiceNotFound) as error:
            self._not_moved(connection, release, asked, error.detail)
            return
        before, after, latest = asked.change.before, asked.change.after, service.latest_ready
        log.info("resumed", service=release.service, revision=release.revision)
        if not service.reconciling and same_traffic(service.statuses, after, latest):
            self._moved(connection, release, asked)
        elif not same_shares(after, shares(release), latest):
            self._not_moved(connection, release, asked, "the release ended before the traffic was moved")
        elif any(same_shares(service.traffic, each, latest) for each in (before, after)):
            change = replace(asked.change, after=tuple(wanted(release, service)))
            self.make(connection, release, replace(asked, change=change))
        else:
            detail = "somebody else moved the traffic meanwhile: it is left as it is now"
            self._not_moved(connection, release, asked, detail, ends="replaced")

    @contextmanager
    def finished_soon(self, release: Release) -> Iterator[None]:
        """Has a change of traffic finished in a moment that Cloud Run cut off in this block: what an engineer asked
        for does not come again as an event of the bus does. Where the bus is away too, the maintenance sweep has to."""
        try:
            yield
        except CloudRunUnavailable:
            # The number of a step that is taken already has what was asked for finished and nothing else: the next
            # step itself is not to be looked at so soon.
            self.schedule(replace(release, step=max(0, release.step - 1)), FINISH_SECONDS)
            raise

    def _moved(self, connection: Connection, release: Release, asked: Asked) -> None:
        where = ", ".join(f"{target.percent} % to {target.revision}" for target in asked.change.after if target.percent)
        policy = self.policies.get(release.service)
        wait = policy.step_seconds if policy is not None and release.percent else 0.0
        with connection.begin():
            walk_store.close(connection, release, asked, "verified")
            told = self.line(connection, release, f"shifted_{release.percent}", where)
            if release.state in WALKING:
                walk_store.arrived(connection, release, wait)
        send.offer(self.bus, told)
        if release.state in WALKING:
            self.schedule(release, wait)

    def _not_moved(
        self, connection: Connection, release: Release, asked: Asked, detail: str, *, ends: ReleaseState = "waiting"
    ) -> None:
        """Leaves it to a human: what was tried once and ended elsewhere would do so again."""
        with connection.begin():
            walk_store.close(connection, release, asked, "failed", detail)
            if release.state in WALKING:
                had = sum(each.percent for each in asked.change.before if each.revision == release.revision)
                walk_store.take(connection, release, Step(ends, had, ends, detail))
            told = self.line(connection, release, "not_shifted", detail)
        send.offer(self.bus, told)

    def line(
        self, connection: Connection, release: Release, type_: str, words: str, *, alarming: bool = False
    ) -> list[UUID]:
        """Adds a line to the timeline of a release and has people told of it. Returns the notifications to offer after
        the commit."""
        store.add_line(connection, release.service, release.region, type_, words, release_id=release.id)
        return self.tell(connection, release.id, alarming=alarming)

    def tell(self, connection: Connection, release_id: UUID, *, alarming: bool = False) -> list[UUID]:
        """Has people told how a release stands."""
        release = walk_store.get(connection, release_id)
        assert release is not None
        change = walk_store.last_change(connection, release_id)
        said = message(release, walk_store.lines(connection, release_id), change, alarming=alarming)
        return tell(connection, f"release/{release_id}", said, self.channels)

    def schedule(self, release: Release, delay: float) -> None:
        """Asks for the next look in so many seconds; where the bus is away, the maintenance sweep will."""
        try:
            self.bus.publish(RELEASES, [due(release.id, release.step)], delay=delay)
        except BusUnavailable as error:
            log.warning("bus_unavailable", detail=error.detail, waiting=1)


def due(release_id: UUID, number: int) -> Message:
    """The message that asks for a look at a release."""
    event = ReleaseStepDue(release_id=release_id, step=number)
    return Message(event.model_dump_json().encode(), {"type": event.type})
