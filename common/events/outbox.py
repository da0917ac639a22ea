"""The outbox: events are rows of the transaction that causes them, and leave for the bus after it."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from sqlalchemy import text

from common.bus.port import Bus, BusUnavailable, Message
from common.database import prepared
from common.database.rows import insert_rows
from common.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.models import Event


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pending:
    """An outbox row that its cause has committed and the bus does not have yet."""

    id: UUID
    topic: str
    event: dict[str, Any]
    ordering_key: str = ""

    def message(self) -> Message:
        """The message the bus carries: the event as JSON, its type and ids as attributes."""
        attributes = {"type": str(self.event["type"]), "workspace_id": str(self.event["workspace_id"])}
        if self.event.get("traceparent"):
            attributes["traceparent"] = str(self.event["traceparent"])
        return Message(json.dumps(self.event).encode(), attributes, self.ordering_key)


def put(connection: Connection, workspace_id: UUID, events: Iterable[tuple[str, Event]]) -> list[Pending]:
    """Writes events, each with its topic, in the caller's transaction; hand the result to `Relay.send`
    after the commit."""
    pending = [Pending(new_id(), topic, event.model_dump(mode="json")) for topic, event in events]
    insert_rows(
        connection,
        "outbox",
        {"id": "uuid", "workspace_id": "uuid", "topic": "text", "ordering_key": "text", "event": "jsonb"},
        [(row.id, workspace_id, row.topic, row.ordering_key, row.event) for row in pending],
    )
    return pending


def stale(engine: Engine, older_than_seconds: float, limit: int) -> list[Pending]:
    """Rows whose publisher seems to have died: oldest first, over all workspaces."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT id, topic, event, ordering_key FROM outbox"
                " WHERE created_at < now() - make_interval(secs => :age) ORDER BY created_at LIMIT :limit"
            ),
            {"age": older_than_seconds, "limit": limit},
        )
        return [Pending(row.id, row.topic, row.event, row.ordering_key) for row in rows]


_SENT = "DELETE FROM outbox WHERE id = ANY(CAST({ids} AS uuid[]))"


class PublishAlong(Protocol):
    """How a bus that lives in the outbox's own database publishes, in one transaction with another statement."""

    def __call__(self, batches: Mapping[str, Sequence[Message]], along: str, parameter: str, /) -> None:
        """Publishes messages by topic and carries out `along`, whose parameter is `$2`."""
        ...


@dataclass(slots=True)
class _Batch:
    rows: list[Pending] = field(default_factory=list)
    sent: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Relay:
    """Publishes committed outbox rows and deletes them, the rows of all threads together.

    The first thread to find nobody publishing leads: it sends what has gathered in one batch per topic
    and deletes it in one statement, while later arrivals gather behind it. `send` returns once its rows
    are with the bus, so that it is safe where a process gets no CPU after its response. Where the bus can
    `publish_along`, both are one round trip.
    """

    def __init__(self, engine: Engine, bus: Bus, publish_along: PublishAlong | None = None) -> None:
        self._engine = engine
        self._bus = bus
        self._publish_along = publish_along
        self._lock = threading.Lock()
        self._leading = threading.Lock()
        self._gathering = _Batch()

    def send(self, rows: Sequence[Pending]) -> None:
        """Publishes rows at least once. Raises `BusUnavailable`; the rows then wait for the sweeper."""
        if not rows:
            return
        with self._lock:
            batch = self._gathering
            batch.rows.extend(rows)
        with self._leading:
            if not batch.sent.is_set():
                with self._lock:
                    self._gathering = _Batch()
                self._publish(batch)
        if batch.error is not None:
            raise batch.error

    def offer(self, rows: Sequence[Pending]) -> None:
        """Publishes rows whose cause is accepted whatever becomes of them: when the bus is down the sweeper
        publishes them later, and the caller has nothing to tell anybody."""
        try:
            self.send(rows)
        except BusUnavailable as error:
            log.warning("bus_unavailable", detail=error.detail, waiting=len(rows))

    def _publish(self, batch: _Batch) -> None:
        try:
            topics: defaultdict[str, list[Message]] = defaultdict(list)
            for row in batch.rows:
                topics[row.topic].append(row.message())
            ids = f"{{{','.join(str(row.id) for row in batch.rows)}}}"
            if self._publish_along is not None:
                self._publish_along(topics, _SENT.format(ids="$2"), ids)
                return
            for topic, messages in topics.items():
                self._bus.publish(topic, messages)
            prepared.run(self._engine, _SENT.format(ids="$1"), ids)
        except BaseException as error:
            batch.error = error
        finally:
            batch.sent.set()
