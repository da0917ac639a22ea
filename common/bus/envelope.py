"""The JSON body of a Pub/Sub push request, read and written.

The functions framework's own conversion drops the ordering key, the delivery attempt and the subscription,
and refuses a message that has attributes only. The format: https://cloud.google.com/pubsub/docs/push
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from common.bus.port import Delivery
from common.errors import Malformed


def parse_push(body: bytes) -> Delivery:
    """Reads the body of a push request. The subscription is its short name, whichever way it is given.

    Raises `Malformed`, and nothing else, on anything that is not a push request.
    """
    try:
        return _delivery(_mapping(json.loads(body), "the body"))
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except ValueError as error:  # not JSON, not UTF-8, not base64, not a time, an absurd number
        raise Malformed(f"the body is not a push request: {error}") from None


def to_push(delivery: Delivery) -> bytes:
    """Writes the body of the push request that brings a delivery; `parse_push` reads it back the same."""
    message: dict[str, Any] = {"messageId": delivery.message_id, "attributes": dict(delivery.attributes)}
    if delivery.data:
        message["data"] = base64.b64encode(delivery.data).decode()
    if delivery.ordering_key:
        message["orderingKey"] = delivery.ordering_key
    if delivery.published_at is not None:
        message["publishTime"] = delivery.published_at.isoformat()
    body: dict[str, Any] = {"message": message, "subscription": delivery.subscription}
    if delivery.attempt:
        body["deliveryAttempt"] = delivery.attempt
    return json.dumps(body).encode()


def _delivery(body: dict[str, Any]) -> Delivery:
    message = _mapping(body.get("message"), "message")
    attributes = _mapping(_or(message.get("attributes"), {}), "message.attributes")
    attempt = _or(body.get("deliveryAttempt"), 0)
    if type(attempt) is not int or attempt < 0:
        raise Malformed("deliveryAttempt must be a whole number")
    return Delivery(
        message_id=_text(_or(message.get("messageId"), message.get("message_id")), "message.messageId"),
        subscription=_text(body.get("subscription"), "subscription").rpartition("/")[2],
        data=base64.b64decode(_text(_or(message.get("data"), ""), "message.data"), validate=True),
        attributes={
            _text(name, "message.attributes"): _text(value, f"message.attributes.{name}")
            for name, value in attributes.items()
        },
        ordering_key=_text(_or(message.get("orderingKey"), ""), "message.orderingKey"),
        attempt=attempt,
        published_at=_time(_or(message.get("publishTime"), message.get("publish_time"))),
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{name} must be an object")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{name} must be a string")
    value.encode()  # JSON may spell half a surrogate pair, which nothing beyond could store
    return value


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    time = datetime.fromisoformat(_text(value, "message.publishTime"))
    if time.tzinfo is None:
        raise Malformed("message.publishTime must name its time zone")
    return time
