"""Keeps releases on their walk. The caller owns the commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID, uuid5

from sqlalchemy import text

from common.cloud_run.documents import same_shares
from common.errors import Unavailable
from common.ids import new_id
from common.releases import store
from common.releases.models import Release
from common.releases.record import Change, targets_of
from common.releases.steps import shares

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from common.cloud_run.port import Service, Target
    from common.releases.events import ReleaseDeployed
    from common.releases.models import Departure
    from common.releases.steps import Step

LOCK_SECONDS = 20.0
LOCK_PAUSE_SECONDS = 0.05


class Busy(Unavailable):
    """Somebody else acts on the service right now."""

    code = "release_busy"


@dataclass(frozen=True, slots=True)
class Asked:
    """A change of traffic that is about to be made, and by whom."""

    id: UUID
    change: Change
    actor: str


@contextmanager
def locked(engine: Engine, service: str, region: str, alone: threading.Lock) -> Iterator[Connection]:
    """A connection that holds the lock of a service, the same that rollbacks take. Raises `Busy`.

    `alone` keeps it the only one of this process that is held for long: publishing may need another of the same
    small pool.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    if not alone.acquire(timeout=LOCK_SECONDS):
        raise Busy("this process acts on another service", retry_after=5)
    try:
        with _locked(engine, service, region, deadline) as connection:
            yield connection
    finally:
        alone.release()


@contextmanager
def _locked(engine: Engine, service: str, region: str, deadline: float) -> Iterator[Connection]:
    with store.enter(engine) as connection:
        try:
            while not _try_lock(connection, service, region):
                if time.monotonic() > deadline:
                    raise Busy(f"somebody else acts on {service}", retry_after=5)
                time.sleep(LOCK_PAUSE_SECONDS)
            yield connection
        finally:
            if not connection.invalidated:
                connection.rollback()
                with connection.begin():
                    store.unlock(connection, service, region)
                    connection.execute(text("RESET idle_session_timeout"))


def _try_lock(connection: Connection, service: str, region: str) -> bool:
    with connection.begin():
        return store.try_lock(connection, service, region)


def get(connection: Connection, release_id: UUID) -> Release | None:
    """A release."""
    return _one(connection, "WHERE id = :id", {"id": release_id})


def find(connection: Connection, service: str, region: str, revision: str) -> Release | None:
    """The release of a revision."""
    where = "WHERE service = :service AND region = :region AND revision = :revision"
    return _one(connection, where, {"service": service, "region": region, "revision": revision})


def under_way(connection: Connection, service: str, region: str) -> Release | None:
    """The release of a service that is on its way, or waits on it for a human."""
    return _latest(connection, service, region, "state IN ('smoke', 'walking', 'waiting')")


def cut_off(connection: Connection, service: str, region: str) -> Release | None:
    """The latest release of a service with a change of traffic whose end nobody wrote down."""
    return _latest(connection, service, region, "id IN (SELECT release_id FROM traffic_changes WHERE state = 'asked')")


def begin(connection: Connection, event: ReleaseDeployed, found: Departure) -> Release:
    """Writes a release that begins, or begins again: what counts from its beginning then counts from now."""
    row = connection.execute(
        text(f"""
            INSERT INTO releases AS r (id, service, region, revision, previous, tag, state, percent, due_at)
            VALUES (:id, :service, :region, :revision, :stable, :tag, :state, :percent, now())
            ON CONFLICT (service, region, revision) DO UPDATE
            SET previous = excluded.previous, tag = coalesce(excluded.tag, r.tag), state = excluded.state,
                percent = excluded.percent, percent_at = CASE WHEN excluded.percent > 0 THEN r.percent_at END,
                step = r.step + 1, holds = 0, failed_checks = 0, reason = '', due_at = now(), finished_at = NULL,
                created_at = now()
            RETURNING {_COLUMNS}
        """),
        {
            "id": new_id(),
            "service": event.service,
            "region": event.region,
            "revision": found.revision,
            "stable": found.stable,
            "tag": event.tag,
            "state": "walking" if found.percent else "smoke",
            "percent": found.percent,
        },
    ).one()
    return Release(*row)


def supersede(connection: Connection, release: Release, reason: str) -> None:
    """Ends a release in favour of another one."""
    connection.execute(
        text("""
            UPDATE releases SET state = 'replaced', percent = 0, reason = :reason, due_at = NULL, finished_at = now()
            WHERE id = :id
        """),
        {"id": release.id, "reason": reason},
    )


def take(connection: Connection, release: Release, step: Step) -> Release | None:
    """Takes a release a step on and returns it, None when somebody else took that step."""
    row = connection.execute(
        text(f"""
            UPDATE releases
            SET state = :state, percent = :percent, reason = :reason, step = step + 1, holds = :holds,
                failed_checks = :failed_checks,
                percent_at = CASE WHEN CAST(:percent AS int) <> percent THEN now() ELSE percent_at END,
                due_at = now() + make_interval(secs => CAST(:wait AS float8)),
                promoted_at = CASE WHEN CAST(:state AS text) = 'promoted' THEN coalesce(promoted_at, now())
                                   ELSE promoted_at END,
                finished_at = CASE WHEN CAST(:wait AS float8) IS NULL THEN now() END
            WHERE id = :id AND step = :number RETURNING {_COLUMNS}
        """),
        {
            "id": release.id,
            "number": release.step,
            "state": step.state,
            "percent": step.percent,
            "reason": step.reason,
            "holds": step.holds,
            "failed_checks": step.failed_checks,
            "wait": step.wait,
        },
    ).one_or_none()
    return None if row is None else Release(*row)


def arrived(connection: Connection, release: Release, wait: float) -> None:
    """Counts the time to the next look from now, since only now the traffic is where it was sent."""
    connection.execute(
        text("UPDATE releases SET percent_at = now(), due_at = now() + make_interval(secs => :wait) WHERE id = :id"),
        {"id": release.id, "wait": wait},
    )


def ask(
    connection: Connection, release: Release, before: Sequence[Target], after: Sequence[Target], actor: str
) -> Asked:
    """Writes down a change of traffic that is about to be made; each step of a release has one at most."""
    asked = Asked(uuid5(release.id, str(release.step)), Change(tuple(before), tuple(after)), actor)
    _write(connection, release, asked)
    return asked


def asked(connection: Connection, release_id: UUID) -> Asked | None:
    """The change of traffic that was asked for in a release and whose end nobody wrote down."""
    found = connection.execute(
        text("SELECT id, before, after, actor FROM traffic_changes WHERE release_id = :id AND state = 'asked' LIMIT 1"),
        {"id": release_id},
    ).one_or_none()
    if found is None:
        return None
    return Asked(found.id, Change(targets_of(found.before), targets_of(found.after)), found.actor)


def close(
    connection: Connection, release: Release, asked: Asked, state: Literal["verified", "failed"], detail: str = ""
) -> None:
    """Writes down how a change of traffic ended."""
    _write(connection, release, replace(asked, change=replace(asked.change, state=state, detail=detail)))


def _write(connection: Connection, release: Release, asked: Asked) -> None:
    store.write_change(
        connection, asked.id, release.service, release.region, asked.change, asked.actor, release_id=release.id
    )


def last_change(connection: Connection, release_id: UUID, since: datetime | None = None) -> Change | None:
    """The latest change of traffic of a release, asked for no earlier than `since`."""
    found = connection.execute(
        text("""
            SELECT before, after, state, detail FROM traffic_changes
            WHERE release_id = :id AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
            ORDER BY created_at DESC, id LIMIT 1
        """),
        {"id": release_id, "since": since},
    ).one_or_none()
    if found is None:
        return None
    return Change(targets_of(found.before), targets_of(found.after), found.state, found.detail)


def left_by(connection: Connection, release: Release, service: Service) -> bool:
    """Whether the traffic is as the release left it: where it was sent, or on either side of a change that did not
    come about, or of which nobody knows whether it did.

    A change that failed and is what serves all the same was made by somebody else, for a release asks for each change
    once: a human finished what Sight could not, or Cloud Run itself did with the next deployment.
    """
    change, latest = last_change(connection, release.id, since=release.created_at), service.latest_ready
    sides: tuple[tuple[Target, ...], ...] = ()
    if change is not None and change.state != "verified":
        sides = (change.before, change.after)
        if change.state == "failed" and same_shares(service.statuses, change.after, latest):
            sides = (change.before,)
    return any(same_shares(service.traffic, each, latest) for each in (shares(release), *sides))


def mover(connection: Connection, release: Release) -> str | None:
    """Who else had Sight move the traffic of the service since a release began: an engineer, or another part of
    it."""
    found: str | None = connection.execute(
        text("""
            SELECT actor FROM traffic_changes
            WHERE service = :service AND region = :region AND release_id IS DISTINCT FROM CAST(:id AS uuid)
              AND created_at > CAST(:since AS timestamptz)
            ORDER BY created_at DESC LIMIT 1
        """),
        {"service": release.service, "region": release.region, "id": release.id, "since": release.created_at},
    ).scalar_one_or_none()
    return found


def is_paused(connection: Connection, service: str, region: str) -> bool:
    """Whether automation is paused for a service."""
    paused = text("SELECT paused FROM automations WHERE service = :service AND region = :region")
    return bool(connection.execute(paused, {"service": service, "region": region}).scalar_one_or_none())


def lines(connection: Connection, release_id: UUID) -> list[str]:
    """The release's lines of the timeline, oldest first."""
    rows = connection.execute(
        text("SELECT at, type, text FROM release_events WHERE release_id = :id ORDER BY at, id"), {"id": release_id}
    )
    return [f"{row.at:%H:%M:%S} {row.type}: {row.text}" for row in rows]


def overdue(connection: Connection, seconds: float) -> list[tuple[UUID, int]]:
    """Releases whose next step should have been taken by now or whose change of traffic should have ended, with the
    number of their step."""
    rows = connection.execute(
        text("""
            SELECT r.id, r.step FROM releases r
            WHERE (r.state IN ('smoke', 'walking') AND r.due_at < now() - make_interval(secs => :age))
               OR r.id IN (SELECT c.release_id FROM traffic_changes c
                           WHERE c.state = 'asked' AND c.created_at < now() - make_interval(secs => :age))
            ORDER BY r.due_at LIMIT 100
        """),
        {"age": seconds},
    )
    return [(row.id, row.step) for row in rows]


def _latest(connection: Connection, service: str, region: str, which: str) -> Release | None:
    where = f"WHERE service = :service AND region = :region AND {which} ORDER BY created_at DESC LIMIT 1"
    return _one(connection, where, {"service": service, "region": region})


def _one(connection: Connection, where: str, parameters: dict[str, Any]) -> Release | None:
    row = connection.execute(text(f"SELECT {_COLUMNS} FROM releases {where}"), parameters).one_or_none()
    return None if row is None else Release(*row)


_COLUMNS = ", ".join(Release.__dataclass_fields__)
