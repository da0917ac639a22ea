"""Keeps releases on their walk. The caller owns the commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

from common.errors import Unavailable
from common.ids import new_id
from common.releases import store
from common.releases.record import Change, targets_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

LOCK_SECONDS = 20.0
LOCK_PAUSE_SECONDS = 0.05
WALKING = ("smoke", "walking")


class Busy(Unavailable):
    """Somebody else acts on the service right now."""

    code = "release_busy"


@contextmanager
def locked(engine: Engine, service: str, region: str) -> Iterator[Connection]:
    """A connection that holds the lock of a service, the same that rollbacks take. Raises `Busy`."""
    deadline = time.monotonic() + LOCK_SECONDS
    with engine.connect() as connection:
        while True:
            with connection.begin():
                if store.try_lock(connection, service, region):
                    break
            if time.monotonic() > deadline:
                raise Busy(f"somebody else acts on {service}", retry_after=5)
            time.sleep(LOCK_PAUSE_SECONDS)
        try:
            yield connection
        finally:
            if not connection.invalidated:
                connection.rollback()
                with connection.begin():
                    store.unlock(connection, service, region)


def find(connection: Connection, service: str, region: str, revision: str) -> Any | None:
    """The release of a revision."""
    return connection.execute(
        text("SELECT * FROM releases WHERE service = :service AND region = :region AND revision = :revision"),
        {"service": service, "region": region, "revision": revision},
    ).one_or_none()


def get(connection: Connection, release_id: UUID) -> Any | None:
    """A release."""
    return connection.execute(text("SELECT * FROM releases WHERE id = :id"), {"id": release_id}).one_or_none()


def begin(
    connection: Connection, service: str, region: str, revision: str, *, previous: str | None, tag: str | None
) -> UUID:
    """Writes a release that begins, and ends those of the service that are still on their way."""
    release_id = new_id()
    connection.execute(
        text("""
            UPDATE releases SET state = 'replaced', due_at = NULL, finished_at = now(),
                   reason = 'a newer revision was deployed: ' || CAST(:revision AS text)
            WHERE service = :service AND region = :region AND state IN ('smoke', 'walking', 'waiting')
        """),
        {"service": service, "region": region, "revision": revision},
    )
    connection.execute(
        text("""
            INSERT INTO releases (id, service, region, revision, previous, tag, state, due_at)
            VALUES (:id, :service, :region, :revision, :previous, :tag, 'smoke', now())
        """),
        {
            "id": release_id,
            "service": service,
            "region": region,
            "revision": revision,
            "previous": previous,
            "tag": tag,
        },
    )
    return release_id


def step(
    connection: Connection,
    release_id: UUID,
    *,
    state: str,
    reason: str,
    due_seconds: float | None,
    percent: int | None = None,
    holds: int = 0,
    failed_checks: int = 0,
) -> int:
    """Takes a release a step on, and returns the number of the next one. `due_seconds` None: there is none."""
    return int(
        connection.execute(
            text("""
                UPDATE releases
                SET state = :state, reason = :reason, step = step + 1, holds = :holds, failed_checks = :failed_checks,
                    percent = coalesce(CAST(:percent AS int), percent),
                    percent_at = CASE WHEN CAST(:percent AS int) IS NULL THEN percent_at ELSE now() END,
                    due_at = now() + make_interval(secs => CAST(:due AS float8)),
                    finished_at = CASE WHEN CAST(:due AS float8) IS NULL THEN now() END
                WHERE id = :id RETURNING step
            """),
            {
                "id": release_id,
                "state": state,
                "reason": reason,
                "percent": percent,
                "holds": holds,
                "failed_checks": failed_checks,
                "due": due_seconds,
            },
        ).scalar_one()
    )


def asked(connection: Connection, release_id: UUID) -> tuple[UUID, Change] | None:
    """The change of traffic that was asked for in a release and whose end nobody wrote down."""
    found = connection.execute(
        text("SELECT id, before, after FROM traffic_changes WHERE release_id = :id AND state = 'asked'"),
        {"id": release_id},
    ).one_or_none()
    return None if found is None else (found.id, Change(targets_of(found.before), targets_of(found.after)))


def lines(connection: Connection, release_id: UUID) -> list[str]:
    """The release's lines of the timeline, oldest first."""
    rows = connection.execute(
        text("SELECT at, type, text FROM release_events WHERE release_id = :id ORDER BY at, id"), {"id": release_id}
    )
    return [f"{row.at:%H:%M:%S} {row.type}: {row.text}" for row in rows]


def overdue(connection: Connection, seconds: float) -> list[tuple[UUID, int]]:
    """Releases whose next step should have been taken by now, with its number."""
    rows = connection.execute(
        text("""
            SELECT id, step FROM releases
            WHERE state = ANY(:walking) AND due_at < now() - make_interval(secs => :age) ORDER BY due_at LIMIT 100
        """),
        {"walking": list(WALKING), "age": seconds},
    )
    return [(row.id, row.step) for row in rows]
