"""The embedded bus: Pub/Sub's push semantics, durable on the Postgres that runs anyway (ADR 2)."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.bus import wake
from common.bus.port import BusUnavailable, Delivery, Message
from common.bus.topology import SUBSCRIPTIONS, Subscription
from common.database.prepared import run

if TYPE_CHECKING:
    from sqlalchemy import Engine

MAX_LEASE_SECONDS = 600.0
"""How long a delivery may be kept by extending its lease; Pub/Sub's longest ack deadline."""

_TABLE = "embedded_bus.deliveries"
_INSERT = f"INSERT INTO {_TABLE} (message_id, subscription, data, attributes, ordering_key, visible_at)"
_MESSAGES = "message text, subscription text, data text, attributes text, key text"

_PUBLISH = f"""
    {_INSERT}
    SELECT m.message, m.subscription, decode(m.data, 'base64'), m.attributes, m.key,
        now() + CAST($2 AS float) * interval '1 second'
    FROM json_to_recordset(CAST($1 AS json)) AS m({_MESSAGES})
"""
_PUBLISH_ALONG = f"""
    WITH along AS ({{along}})
    {_INSERT}
    SELECT m.message, m.subscription, decode(m.data, 'base64'), m.attributes, m.key, now()
    FROM json_to_recordset(CAST($1 AS json)) AS m({_MESSAGES})
"""
_DONE = f"""
    DELETE FROM {_TABLE} d USING json_to_recordset(CAST($1 AS json)) AS r(id bigint, attempt int)
    WHERE d.id = r.id AND d.attempt = r.attempt
"""
_RECEIVE = f"""
    WITH done AS ({_DONE})
    UPDATE {_TABLE} SET attempt = attempt + 1, owner = $4,
        visible_at = now() + CAST(CAST($2 AS jsonb) ->> subscription AS float) * interval '1 second'
    WHERE id = ANY (ARRAY (
        SELECT id FROM {_TABLE}
        WHERE visible_at <= now() AND jsonb_exists(CAST($2 AS jsonb), subscription)
        ORDER BY visible_at LIMIT CAST($3 AS int) FOR UPDATE SKIP LOCKED
    ))
    RETURNING id, attempt, message_id, subscription, data, attributes, ordering_key,
        CAST(extract(epoch FROM published_at) AS float)
"""
_POSTPONE = f"""
    UPDATE {_TABLE} d SET visible_at = now() + r.seconds * interval '1 second',
        owner = CASE WHEN r.keep THEN d.owner END
    FROM json_to_recordset(CAST($1 AS json)) AS r(id bigint, attempt int, seconds float, keep bool)
    WHERE d.id = r.id AND d.attempt = r.attempt
"""
_BURY = f"""
    WITH gone AS (
        DELETE FROM {_TABLE} d USING json_to_recordset(CAST($1 AS json)) AS r(id bigint, attempt int)
        WHERE d.id = r.id AND d.attempt = r.attempt RETURNING d.id
    )
    {_INSERT}
    SELECT m.message, m.subscription, decode(m.data, 'base64'), m.attributes, m.key, now()
    FROM json_to_recordset(CAST($2 AS json)) AS m(id bigint, {_MESSAGES}) JOIN gone ON gone.id = m.id
"""
_RELEASE = f"""
    UPDATE {_TABLE} SET visible_at = now(), owner = NULL
    WHERE owner IS NOT NULL AND (CAST($1 AS text) IS NULL OR owner = $1)
        AND (id, attempt) NOT IN (SELECT * FROM json_to_recordset(CAST($2 AS json)) AS r(id bigint, attempt int))
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery on lease. Its id and attempt together settle it, so that one whose lease has run out and
    which somebody else has received cannot be settled by the first."""

    id: int
    delivery: Delivery

    @property
    def receipt(self) -> dict[str, Any]:
        """What settles it."""
        return {"id": self.id, "attempt": self.delivery.attempt}


class EmbeddedBus:
    """Publishes to the subscriptions of each topic, and hands deliveries out on lease.

    At least once: a delivery whose lease runs out is received again. Every operation is one statement, and
    all but `publish` take many deliveries. All raise `BusUnavailable` when Postgres cannot be reached.
    """

    def __init__(
        self, engine: Engine, *, subscriptions: Sequence[Subscription] = SUBSCRIPTIONS, project: str = "sight-local"
    ) -> None:
        self._engine = engine
        self._project = project
        self._subscriptions = {subscription.name: subscription for subscription in subscriptions}
        self._by_topic: defaultdict[str, list[Subscription]] = defaultdict(list)
        for subscription in subscriptions:
            self._by_topic[subscription.topic].append(subscription)
        self._deadlines = json.dumps({s.name: s.ack_deadline for s in subscriptions})

    def publish(self, topic: str, messages: Sequence[Message], *, delay: float = 0.0) -> list[str]:
        """Publishes in one statement. As in Pub/Sub, a topic without subscriptions drops its messages."""
        ids = [uuid.uuid4().hex for _ in messages]
        rows = [row for id_, message in zip(ids, messages, strict=True) for row in self._rows(topic, id_, message)]
        if rows:
            self._run(_PUBLISH, json.dumps(rows), str(delay))
            if delay <= 0:
                wake.ring()
        return ids

    def publish_along(self, batches: Mapping[str, Sequence[Message]], along: str, parameter: str) -> None:
        """Publishes messages by topic and carries out `along`, a statement that changes the same database and
        whose one parameter is `$2`, both in one transaction and one round trip."""
        rows = [
            row
            for topic, messages in batches.items()
            for message in messages
            for row in self._rows(topic, uuid.uuid4().hex, message)
        ]
        self._run(_PUBLISH_ALONG.format(along=along), json.dumps(rows), parameter)
        if rows:
            wake.ring()

    def close(self) -> None:
        """Does nothing: what was published is durable, and the engine belongs to the caller."""

    def receive(self, limit: int, *, owner: str, done: Iterable[Received] = ()) -> list[Received]:
        """Leases up to `limit` deliveries, oldest first, for their subscription's ack deadline.

        `owner` names the worker, for `release`. `done` is acknowledged by the same statement, which saves
        a busy worker a round trip. Deliveries found to be out of attempts become dead letters instead.

        It is never repeated: when the server is lost after it leased and before it answered, the owner does not
        know what it holds, and hands that back with `release` once the server is there again.
        """
        rows = self._run(_RECEIVE, _receipts(done), self._deadlines, str(limit), owner, repeat=False)
        fit: list[Received] = []
        spent: list[Received] = []
        for received in (_received(row) for row in sorted(rows)):
            (spent if self._is_spent(received, received.delivery.attempt - 1) else fit).append(received)
        self._bury(spent)
        return fit

    def ack(self, done: Iterable[Received]) -> None:
        """Settles deliveries for good."""
        receipts = _receipts(done)
        if receipts != "[]":
            self._run(_DONE, receipts)

    def nack(self, failed: Iterable[Received]) -> None:
        """Has deliveries come again after a backoff, or makes dead letters of those out of attempts.

        The backoff doubles from the subscription's least to its greatest, with full jitter between (M. Brooker,
        "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
        """
        again: list[Received] = []
        spent: list[Received] = []
        for received in failed:
            (spent if self._is_spent(received, received.delivery.attempt) else again).append(received)
        self._bury(spent)
        self._postpone((received, self._backoff(received), False) for received in again)

    def extend(self, working: Iterable[Received]) -> None:
        """Renews leases for another ack deadline."""
        self._postpone((received, self._subscription(received).ack_deadline, True) for received in working)

    def postpone(self, failed: Iterable[Received], *, seconds: float) -> None:
        """Has deliveries come again after so many seconds, to whoever receives then."""
        self._postpone((received, seconds, False) for received in failed)

    def release(self, owner: str | None = None, *, keeping: Iterable[Received] = ()) -> int:
        """Hands back at once what a dead worker held on lease, or what anybody did, but for what is kept;
        returns how many."""
        released = len(self._run(_RELEASE, owner, _receipts(keeping)))
        if released:
            wake.ring()
        return released

    def ack_deadline(self, received: Received) -> float:
        """How many seconds a lease of this delivery lasts."""
        return self._subscription(received).ack_deadline

    def _subscription(self, received: Received) -> Subscription:
        return self._subscriptions[received.delivery.subscription]

    def _is_spent(self, received: Received, attempts: int) -> bool:
        subscription = self._subscription(received)
        return subscription.dead_letter_topic is not None and attempts >= subscription.max_attempts

    def _backoff(self, received: Received) -> float:
        subscription = self._subscription(received)
        ceiling = min(subscription.max_backoff, subscription.min_backoff * 2.0**received.delivery.attempt)
        return random.uniform(subscription.min_backoff, ceiling)

    def _postpone(self, postponed: Iterable[tuple[Received, float, bool]]) -> None:
        rows = [received.receipt | {"seconds": seconds, "keep": keep} for received, seconds, keep in postponed]
        if rows:
            self._run(_POSTPONE, json.dumps(rows))

    def _bury(self, spent: Sequence[Received]) -> None:
        if not spent:
            return
        rows = [row | {"id": received.id} for received in spent for row in self._dead_letters(received)]
        self._run(_BURY, _receipts(spent), json.dumps(rows))
        wake.ring()

    def _dead_letters(self, received: Received) -> Iterator[dict[str, Any]]:
        subscription, delivery = self._subscription(received), received.delivery
        attributes = dict(delivery.attributes) | {
            "CloudPubSubDeadLetterSourceDeliveryCount": str(min(delivery.attempt, subscription.max_attempts)),
            "CloudPubSubDeadLetterSourceSubscription": subscription.name,
            "CloudPubSubDeadLetterSourceSubscriptionProject": self._project,
        }
        if delivery.published_at is not None:
            published = delivery.published_at.astimezone(UTC).isoformat(timespec="milliseconds")
            attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = published.replace("+00:00", "Z")
        message = Message(delivery.data, attributes, delivery.ordering_key)
        yield from self._rows(subscription.dead_letter_topic or "", uuid.uuid4().hex, message)

    def _rows(self, topic: str, message_id: str, message: Message) -> Iterator[dict[str, Any]]:
        for subscription in self._by_topic.get(topic, ()):
            yield {
                "message": message_id,
                "subscription": subscription.name,
                "data": base64.b64encode(message.data).decode(),
                "attributes": json.dumps(dict(message.attributes)),
                "key": message.ordering_key,
            }

    def _run(self, statement: str, *parameters: str | None, repeat: bool = True) -> list[list[Any]]:
        try:
            return run(self._engine, statement, *parameters)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise BusUnavailable(f"the embedded bus failed: {error.orig}") from error
        except PoolTimeout as error:
            raise BusUnavailable("no database connection became free for the embedded bus") from error
        # The server was restarted: what else the pool holds is as dead.
        self._engine.dispose()
        if not repeat:
            raise BusUnavailable("the embedded bus lost its database")
        try:
            return run(self._engine, statement, *parameters)
        except (DBAPIError, PoolTimeout) as error:
            raise BusUnavailable("the embedded bus cannot reach its database") from error


def _receipts(settled: Iterable[Received]) -> str:
    return json.dumps([received.receipt for received in settled])


def _received(row: Sequence[Any]) -> Received:
    id_, attempt, message_id, subscription, data, attributes, ordering_key, published = row
    published_at = datetime.fromtimestamp(published, UTC)
    delivery = Delivery(message_id, subscription, data, json.loads(attributes), ordering_key, attempt, published_at)
    return Received(id_, delivery)
