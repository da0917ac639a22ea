"""Creates the topology in Pub/Sub where Terraform does not: on the emulator.

Ordered delivery is left off: handlers take events in any order, while it would let one message of a key
hold up all others. The emulator (0.8.20) enforces dead letters and the retry policy only without it, with
backoffs of its own of one to three seconds. It pushes one message of a subscription at a time, without
`orderingKey` and `deliveryAttempt`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from common.bus.port import BusUnavailable
from common.bus.pubsub import CALL_SECONDS, publisher_client, subscriber_client
from common.bus.topology import SUBSCRIPTIONS, TOPICS, Subscription

if TYPE_CHECKING:
    from google.pubsub_v1 import types


def ensure_topology(
    *,
    project: str,
    push_base_url: str,
    emulator_host: str | None = None,
    subscriptions: Sequence[Subscription] = SUBSCRIPTIONS,
    topics: Sequence[str] = TOPICS,
) -> None:
    """Creates the topics, and the subscriptions that push to `{push_base_url}/{function}`. What is there
    already stays, except that its pushes go to the new address. Raises `BusUnavailable`."""
    from google.api_core.exceptions import AlreadyExists, GoogleAPIError

    publisher, subscriber = publisher_client(emulator_host), subscriber_client(emulator_host)
    try:
        for topic in topics:
            try:
                publisher.create_topic(name=f"projects/{project}/topics/{topic}", timeout=CALL_SECONDS)
            except AlreadyExists:
                continue
        for subscription in subscriptions:
            wanted = _wire(project, push_base_url, subscription)
            try:
                subscriber.create_subscription(request=wanted, timeout=CALL_SECONDS)
            except AlreadyExists:
                subscriber.modify_push_config(
                    subscription=wanted.name, push_config=wanted.push_config, timeout=CALL_SECONDS
                )
    except GoogleAPIError as error:
        raise BusUnavailable(f"the topology could not be created: {error}") from error
    finally:
        publisher.transport.close()  # type: ignore[no-untyped-call]
        subscriber.transport.close()  # type: ignore[no-untyped-call]


def _wire(project: str, push_base_url: str, subscription: Subscription) -> types.Subscription:
    from google.pubsub_v1 import types

    options: dict[str, Any] = {}
    if subscription.dead_letter_topic is not None:
        options["dead_letter_policy"] = types.DeadLetterPolicy(
            dead_letter_topic=f"projects/{project}/topics/{subscription.dead_letter_topic}",
            max_delivery_attempts=subscription.max_attempts,
        )
    return types.Subscription(
        name=f"projects/{project}/subscriptions/{subscription.name}",
        topic=f"projects/{project}/topics/{subscription.topic}",
        push_config=types.PushConfig(push_endpoint=f"{push_base_url}/{subscription.function}"),
        ack_deadline_seconds=subscription.ack_deadline,
        retry_policy=types.RetryPolicy(
            minimum_backoff=timedelta(seconds=subscription.min_backoff),
            maximum_backoff=timedelta(seconds=subscription.max_backoff),
        ),
        **options,
    )
