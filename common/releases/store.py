"""Keeps incidents, changes of traffic and what is known of revisions. The caller owns the commit."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from common.notify.service import tell
from common.releases.models import ROLLBACK, ROLLOUT, History
from common.releases.record import Change, Record, targets_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine

LOCK_SPACE = 0x516874
"""The first half of the advisory locks of services; the second is the service's hash."""

AUTOMATIC = (ROLLBACK, ROLLOUT)
"""The actors that are not engineers."""

IDLE_SECONDS = 120
"""How long Postgres keeps a session, and so its locks, of a process of which it hears nothing: longer than any change
of traffic takes."""


def enter(engine: Engine) -> Connection:
    """A connection that Postgres answers on. Raises what sqlalchemy does when it is away."""
    try:
        return _enter(engine)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    engine.dispose()  # what the pool holds is as dead as the one it gave: the server was restarted
    return _enter(engine)


def _enter(engine: Engine) -> Connection:
    connection = engine.connect()
    try:
        with connection.begin():
            connection.execute(text("SELECT 1"))
    except BaseException:
        connection.close()
        raise
    return connection


def try_lock(connection: Connection, service: str, region: str) -> bool:
    """Takes the lock under which one at a time acts on a service, until the connection's end or `unlock`. Postgres
    gives it up by itself once it hears nothing of this process: nobody waits for a machine that is gone."""
    found = connection.execute(
        text("""
            SELECT pg_try_advisory_lock(:space, hashtext(:key)) AS taken,
                   set_config('idle_session_timeout', :limit, false)
        """),
        _lock(service, region) | {"limit": f"{IDLE_SECONDS}s"},
    )
    return bool(found.one().taken)


def unlock(connection: Connection, service: str, region: str) -> None:
    """Gives the lock back."""
    connection.execute(text("SELECT pg_advisory_unlock(:space, hashtext(:key))"), _lock(service, region))


def history(connection: Connection, service: str, region: str, now: datetime, *, incident_id: str = "") -> History:
    """What is remembered of a service, and of one incident whether it was acted on and whether it is closed."""
    row = connection.execute(
        text("""
            WITH sent_back AS (
                SELECT coalesce(c.verified_at, c.created_at) AS at, b.revision = r.revision AS taken_back
                FROM traffic_changes c JOIN releases r ON r.id = c.release_id
                CROSS JOIN LATERAL jsonb_to_recordset(c.before) AS b (revision text, percent int)
                WHERE c.service = :service AND c.region = :region AND c.actor = :rollout AND c.state <> 'failed'
                  AND c.created_at > CAST(:now AS timestamptz) - interval '1 day'
                  AND b.percent > 0 AND b.revision IS DISTINCT FROM r.previous AND NOT EXISTS (
                      SELECT FROM jsonb_to_recordset(c.after) AS a (revision text, percent int)
                      WHERE a.percent > 0 AND a.revision = b.revision)
            )
            SELECT
                (SELECT coalesce(jsonb_object_agg(revision, promoted_at), '{}') FROM releases
                 WHERE service = :service AND region = :region AND promoted_at IS NOT NULL) AS promoted,
                (SELECT array_agg(revision) FROM releases
                 WHERE service = :service AND region = :region AND state = 'failed') AS failed,
                (SELECT array_agg(incident_id) FROM incidents
                 WHERE service = :service AND region = :region AND incident_id = :incident
                   AND action = 'roll_back' AND NOT dry_run) AS acted_on,
                (SELECT array_agg(incident_id) FROM incidents
                 WHERE service = :service AND region = :region AND incident_id = :incident
                   AND state = 'closed') AS closed,
                (SELECT array_agg(created_at) FROM traffic_changes
                 WHERE service = :service AND region = :region AND actor = :rollback AND state <> 'failed'
                   AND created_at > CAST(:now AS timestamptz) - interval '1 day') AS rolled_back_at,
                (SELECT coalesce(jsonb_object_agg(revision, created_at), '{}') FROM releases
                 WHERE service = :service AND region = :region) AS released,
                (SELECT max(at) FROM sent_back WHERE taken_back) AS taken_back_at,
                (SELECT max(at) FROM sent_back) AS sent_back_at,
                (SELECT max(created_at) FROM traffic_changes
                 WHERE service = :service AND region = :region AND NOT actor = ANY(:automatic)) AS moved_by_hand_at,
                (SELECT paused FROM automations WHERE service = :service AND region = :region) AS paused
        """),
        {
            "service": service,
            "region": region,
            "now": now,
            "incident": incident_id,
            "rollback": ROLLBACK,
            "rollout": ROLLOUT,
            "automatic": list(AUTOMATIC),
        },
    ).one()
    return History(
        known=True,
        promoted={name: datetime.fromisoformat(at) for name, at in row.promoted.items()},
        failed=frozenset(row.failed or ()),
        acted_on=frozenset(row.acted_on or ()),
        closed=frozenset(row.closed or ()),
        released={name: datetime.fromisoformat(at) for name, at in row.released.items()},
        rolled_back_at=tuple(row.rolled_back_at or ()),
        taken_back_at=row.taken_back_at,
        sent_back_at=row.sent_back_at,
        moved_by_hand_at=row.moved_by_hand_at,
        paused=bool(row.paused),
    )


def load(connection: Connection, record: Record) -> Record | None:
    """What is written of the incident that a record is of: its decision, its change of traffic and its lines."""
    found = connection.execute(
        text("""
            SELECT i.*, c.before, c.after, c.state AS change_state, c.detail, coalesce(c.actor, :actor) AS actor,
                (SELECT coalesce(jsonb_agg(jsonb_build_object('type', e.type, 'text', e.text, 'at', e.at)
                                           ORDER BY e.at, e.id), '[]')
                 FROM release_events e WHERE e.incident_id = i.id) AS lines
            FROM incidents i LEFT JOIN traffic_changes c ON c.incident_id = i.id
            WHERE i.id = :id
        """),
        {"id": record.id, "actor": record.actor},
    ).one_or_none()
    if found is None:
        return None
    change = {"before": found.before, "after": found.after, "state": found.change_state, "detail": found.detail}
    names = ("state", "action", "code", "reason", "source", "target", "dry_run", "actor", "lines")
    kept = {name: getattr(found, name) for name in names}
    return Record.from_json(record.as_json() | kept | {"change": change if found.change_state else None})


def unfinished(connection: Connection, seconds: float) -> list[Record]:
    """The records of changes that were asked for so long ago and are not known to have ended; `load` completes them."""
    rows = connection.execute(
        text("""
            SELECT i.*, c.actor FROM traffic_changes c JOIN incidents i ON i.id = c.incident_id
            WHERE c.state = 'asked' AND c.created_at < now() - make_interval(secs => :seconds)
            ORDER BY c.created_at LIMIT 100
        """),
        {"seconds": seconds},
    )
    return [
        Record(
            incident_id=row.incident_id,
            service=row.service,
            region=row.region,
            state=row.state,
            kind=row.kind,
            summary="",
            url="",
            notification=row.notification,
            started_at=row.started_at,
            actor=row.actor,
        )
        for row in rows
    ]


def write(connection: Connection, record: Record, channels: Sequence[str]) -> list[UUID]:
    """Writes the record as it stands: the incident, its decision, its change of traffic, the mark on the revision
    that failed, the lines of the timeline and what people are told. What is there already stays or is completed.
    Returns the notifications to send after the commit."""
    ours = {"id": record.id, "incident": record.incident_id, "service": record.service, "region": record.region}
    about = {
        "state": record.state,
        "kind": record.kind,
        "notification": json.dumps(record.notification, ensure_ascii=False),
        "started": record.started_at,
    }
    connection.execute(_INCIDENT, ours | about)
    if record.action is not None:
        decision = {name: getattr(record, name) for name in ("action", "code", "reason", "source", "target", "dry_run")}
        connection.execute(_DECISION, {"id": record.id} | decision)
    if record.code == "already_rolled_back" and record.source is not None:
        # Whoever took it back may have had nowhere to write that down but the tags of Cloud Run.
        mark_failed(connection, record.service, record.region, record.source, record.reason or "")
    if record.change is not None:
        write_change(
            connection,
            record.change_id,
            record.service,
            record.region,
            record.change,
            record.actor,
            incident_id=record.id,
        )
        if record.change.state == "verified":
            _remember(connection, record)
    lines = [
        {"id": str(uuid5(record.id, f"{line.type}/{line.text}")), "type": line.type, "text": line.text}
        | {"at": line.at.isoformat()}
        for line in record.lines
    ]
    connection.execute(_LINES, ours | {"incident": record.id, "lines": json.dumps(lines)})
    message = record.message()
    return [] if message is None else tell(connection, record.thread, message, channels)


def _remember(connection: Connection, record: Record) -> None:
    """Marks the revisions by what was done with them, once it is: one that still serves is not given up."""
    why = record.reason or ""
    if record.source is not None:
        mark_failed(connection, record.service, record.region, record.source, why)
    elif record.target is not None:
        mark_promoted(connection, record.service, record.region, record.target, why)


def write_change(
    connection: Connection,
    change_id: UUID,
    service: str,
    region: str,
    change: Change,
    actor: str,
    *,
    incident_id: UUID | None = None,
    release_id: UUID | None = None,
) -> None:
    """Writes a change of traffic, or how it ended."""
    connection.execute(
        _CHANGE,
        {
            "id": change_id,
            "incident": incident_id,
            "release": release_id,
            "service": service,
            "region": region,
            "actor": actor,
            "before": json.dumps(targets_json(change.before)),
            "after": json.dumps(targets_json(change.after)),
            "state": change.state,
            "detail": change.detail,
        },
    )


def mark_failed(connection: Connection, service: str, region: str, revision: str, reason: str) -> None:
    """Marks a revision failed, for ever."""
    connection.execute(
        text("""
            INSERT INTO releases (id, service, region, revision, state, reason, finished_at)
            VALUES (gen_random_uuid(), :service, :region, :revision, 'failed', :reason, now())
            ON CONFLICT (service, region, revision) DO UPDATE
            SET state = 'failed', reason = excluded.reason, percent = 0, due_at = NULL, finished_at = now()
            WHERE releases.state <> 'failed'
        """),
        {"service": service, "region": region, "revision": revision, "reason": reason},
    )


def mark_promoted(connection: Connection, service: str, region: str, revision: str, reason: str) -> None:
    """Remembers that a revision has all the traffic; when it first had stays as it was."""
    connection.execute(
        text("""
            INSERT INTO releases (id, service, region, revision, state, percent, reason, promoted_at, finished_at)
            VALUES (gen_random_uuid(), :service, :region, :revision, 'promoted', 100, :reason, now(), now())
            ON CONFLICT (service, region, revision) DO UPDATE
            SET state = 'promoted', percent = 100, reason = excluded.reason, due_at = NULL, finished_at = now(),
                promoted_at = coalesce(releases.promoted_at, now())
            WHERE releases.state NOT IN ('failed', 'promoted')
        """),
        {"service": service, "region": region, "revision": revision, "reason": reason},
    )


def on_its_way(connection: Connection, service: str, region: str) -> bool:
    """Whether a release of the service is on its way."""
    return bool(
        connection.execute(
            text("""
                SELECT EXISTS (SELECT 1 FROM releases WHERE service = :service AND region = :region
                               AND state IN ('smoke', 'walking', 'waiting'))
            """),
            {"service": service, "region": region},
        ).scalar_one()
    )


def add_line(
    connection: Connection,
    service: str,
    region: str,
    type_: str,
    words: str,
    *,
    release_id: UUID | None = None,
    payload: dict[str, Any] | None = None,
) -> None:
    """Adds a line to the timeline."""
    connection.execute(
        text("""
            INSERT INTO release_events (id, service, region, release_id, type, text, payload)
            VALUES (gen_random_uuid(), :service, :region, :release, :type, :text, CAST(:payload AS jsonb))
        """),
        {
            "service": service,
            "region": region,
            "release": release_id,
            "type": type_,
            "text": words,
            "payload": json.dumps(payload or {}),
        },
    )


# `closed` is for ever: the opening may arrive after it.
_INCIDENT = text("""
INSERT INTO incidents AS i (id, incident_id, service, region, state, kind, notification, started_at, closed_at)
VALUES (:id, :incident, :service, :region, :state, :kind, CAST(:notification AS jsonb), :started,
        CASE WHEN CAST(:state AS text) = 'closed' THEN now() END)
ON CONFLICT (incident_id, service, region) DO UPDATE
SET state = CASE WHEN i.state = 'closed' THEN i.state ELSE excluded.state END,
    closed_at = coalesce(i.closed_at, excluded.closed_at)
""")

# A decision that acted stays; others give way to a later one, unless that has nothing to do.
_DECISION = text("""
UPDATE incidents
SET action = :action, code = :code, reason = :reason, source = :source, target = :target, dry_run = :dry_run,
    decided_at = now()
WHERE id = :id AND (action IS NULL OR (:action <> 'none' AND (action <> 'roll_back' OR dry_run)))
""")

_CHANGE = text("""
INSERT INTO traffic_changes (id, service, region, actor, incident_id, release_id, before, after, state, detail,
                             verified_at)
VALUES (:id, :service, :region, :actor, :incident, :release, CAST(:before AS jsonb), CAST(:after AS jsonb), :state,
        :detail, CASE WHEN CAST(:state AS text) = 'verified' THEN now() END)
ON CONFLICT (id) DO UPDATE
SET state = excluded.state, detail = excluded.detail, verified_at = excluded.verified_at
WHERE traffic_changes.state = 'asked'
""")

_LINES = text("""
INSERT INTO release_events (id, service, region, incident_id, type, text, payload, at)
SELECT l.id, :service, :region, :incident, l.type, l.text, '{}', l.at
FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS l(id uuid, type text, text text, at timestamptz)
ON CONFLICT (id) DO NOTHING
""")


def _lock(service: str, region: str) -> dict[str, object]:
    return {"space": LOCK_SPACE, "key": f"{region}/{service}"}
