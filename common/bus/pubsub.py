"""Google Cloud Pub/Sub, and its emulator."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from common.bus.envelope import to_push
from common.bus.port import BusUnavailable, Delivery, Message
from common.bus.topology import SUBSCRIPTIONS, Subscription
from common.tasks.port import HttpTask, Tasks, TasksUnavailable

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient, SubscriberClient

CALL_SECONDS = 10.0
GIVE_UP_SECONDS = 20.0
MAX_REQUEST_MESSAGES = 1000
MAX_REQUEST_BYTES = 8_000_000
"""Pub/Sub takes 1,000 messages and 10 MB in one request; https://cloud.google.com/pubsub/quotas"""


def publisher_client(emulator_host: str | None) -> PublisherClient:
    """A client of Pub/Sub's publishing API, or of the emulator at `host:port`."""
    import grpc
    from google.pubsub_v1 import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    if emulator_host is None:
        return PublisherClient()
    return PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(emulator_host)))


def subscriber_client(emulator_host: str | None) -> SubscriberClient:
    """A client of Pub/Sub's subscription API, or of the emulator at `host:port`."""
    import grpc
    from google.pubsub_v1 import SubscriberClient
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    if emulator_host is None:
        return SubscriberClient()
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(emulator_host)))


class PubSubBus:
    """Publishes to Pub/Sub in batches.

    Delayed messages, which Pub/Sub does not have, go as push requests through `tasks` to
    `{push_base_url}/{function}` of each subscription of the topic.
    """

    def __init__(
        self,
        *,
        project: str,
        emulator_host: str | None = None,
        tasks: Tasks | None = None,
        push_base_url: str | None = None,
        subscriptions: Sequence[Subscription] = SUBSCRIPTIONS,
    ) -> None:
        self._client = publisher_client(emulator_host)
        self._project = project
        self._tasks = tasks
        self._push_base_url = push_base_url
        self._subscriptions = subscriptions

    def publish(self, topic: str, messages: Sequence[Message], *, delay: float = 0.0) -> list[str]:
        """Publishes with as few requests as Pub/Sub's limits and the ordering keys allow: one request must
        not mix keys."""
        if delay > 0:
            return self._publish_later(topic, messages, delay)
        ids: dict[int, str] = {}
        for batch in _batches(messages):
            sent = self._send(topic, [messages[position] for position in batch])
            ids.update(zip(batch, sent, strict=True))
        return [ids[position] for position in range(len(messages))]

    def close(self) -> None:
        """Closes the client's channel, and the tasks'."""
        self._client.transport.close()  # type: ignore[no-untyped-call]
        if self._tasks is not None:
            self._tasks.close()

    def _send(self, topic: str, messages: Sequence[Message]) -> list[str]:
        from google.api_core import exceptions
        from google.api_core.retry import Retry, if_exception_type
        from google.auth.exceptions import GoogleAuthError

        passing = if_exception_type(
            exceptions.Aborted,
            exceptions.DeadlineExceeded,
            exceptions.InternalServerError,
            exceptions.ResourceExhausted,
            exceptions.ServiceUnavailable,
            exceptions.Unknown,
        )
        try:
            reply = self._client.publish(
                topic=f"projects/{self._project}/topics/{topic}",
                messages=[_wire(message) for message in messages],
                retry=Retry(passing, initial=0.1, maximum=2.0, timeout=GIVE_UP_SECONDS),
                timeout=CALL_SECONDS,
            )
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            raise BusUnavailable(f"Pub/Sub did not take messages for '{topic}': {error}") from error
        return list(reply.message_ids)

    def _publish_later(self, topic: str, messages: Sequence[Message], delay: float) -> list[str]:
        if self._tasks is None or self._push_base_url is None:
            raise BusUnavailable("delayed messages need Cloud Tasks and the address that it is to push to")
        ids = [uuid.uuid4().hex for _ in messages]
        now = datetime.now(UTC)
        later = []
        for subscription in self._subscriptions:
            if subscription.topic == topic:
                name = f"projects/{self._project}/subscriptions/{subscription.name}"
                for id_, message in zip(ids, messages, strict=True):
                    delivery = Delivery(
                        id_, name, message.data, message.attributes, message.ordering_key, published_at=now
                    )
                    later.append(HttpTask(f"{self._push_base_url}/{subscription.function}", to_push(delivery)))
        try:
            self._tasks.schedule(later, delay=delay)
        except TasksUnavailable as error:
            raise BusUnavailable(error.detail) from error
        return ids


def _batches(messages: Sequence[Message]) -> Iterator[list[int]]:
    """Positions of messages that may travel in one request: of the same ordering key, and within the limits."""
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for position, message in enumerate(messages):
        by_key[message.ordering_key].append(position)
    for positions in by_key.values():
        batch: list[int] = []
        size = 0
        for position in positions:
            weight = _weight(messages[position])
            if batch and (len(batch) == MAX_REQUEST_MESSAGES or size + weight > MAX_REQUEST_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(position)
            size += weight
        yield batch


def _weight(message: Message) -> int:
    """At least the bytes a message takes in a request."""
    attributes = sum(4 * (len(name) + len(value)) + 16 for name, value in message.attributes.items())
    return len(message.data) + attributes + 4 * len(message.ordering_key) + 16


def _wire(message: Message) -> Any:
    from google.pubsub_v1 import PubsubMessage

    return PubsubMessage(data=message.data, attributes=dict(message.attributes), ordering_key=message.ordering_key)
