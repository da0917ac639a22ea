"""Tests of the push envelope."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.bus.envelope import parse_push, to_push
from common.bus.port import Delivery
from common.errors import Malformed

TEXT = st.text()
DELIVERIES = st.builds(
    Delivery,
    message_id=TEXT,
    subscription=st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"])),
    data=st.binary(),
    attributes=st.dictionaries(TEXT, TEXT),
    ordering_key=TEXT,
    attempt=st.integers(0, 1_000_000),
    published_at=st.none()
    | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-9.5))])),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
MESSAGE_FIELDS = ("messageId", "message_id", "data", "attributes", "orderingKey", "publishTime")
FIELD = JSON | st.text("abcdefgh=+/0123456789:.-TZ")


def body(**message: Any) -> bytes:
    """A push request's body with this message."""
    return json.dumps({"message": {"messageId": "1", **message}, "subscription": "projects/p/subscriptions/s"}).encode()


def test_reads_what_pubsub_sends() -> None:
    """The example of Pub/Sub's documentation, with an ordering key and a delivery attempt, is read whole."""
    delivery = parse_push(
        b"""{
            "deliveryAttempt": 5,
            "message": {
                "attributes": {"key": "value"},
                "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
                "messageId": "2070443601311540",
                "message_id": "2070443601311540",
                "orderingKey": "persona-7",
                "publishTime": "2021-02-26T19:13:55.749123456Z",
                "publish_time": "2021-02-26T19:13:55.749123456Z"
            },
            "subscription": "projects/myproject/subscriptions/mysubscription"
        }"""
    )
    assert delivery == Delivery(
        message_id="2070443601311540",
        subscription="mysubscription",
        data=b"Hello Cloud Pub/Sub! Here is my message!",
        attributes={"key": "value"},
        ordering_key="persona-7",
        attempt=5,
        published_at=datetime(2021, 2, 26, 19, 13, 55, 749123, UTC),
    )


@pytest.mark.parametrize("message", [{"attributes": {"a": "b"}}, {"attributes": {"a": "b"}, "data": ""}])
def test_reads_a_message_of_attributes_only(message: dict[str, Any]) -> None:
    """A message without data is as good as any."""
    delivery = parse_push(body(**message))
    assert (delivery.data, delivery.attributes) == (b"", {"a": "b"})


def test_reads_the_older_spelling() -> None:
    """`message_id` and `publish_time` serve where the newer spellings are missing, and so does a short name."""
    raw = {"message": {"message_id": "7", "publish_time": "2021-02-26T19:13:55Z"}, "subscription": "s"}
    delivery = parse_push(json.dumps(raw).encode())
    assert (delivery.message_id, delivery.subscription) == ("7", "s")
    assert delivery.published_at == datetime(2021, 2, 26, 19, 13, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"message": {}}',
        b'{"message": {"messageId": "1"}}',
        b"[" * 100_000,
        b'{"message": ' * 100_000,
        b"1" * 10_000,
        body(data="not base64!"),
        body(data=7),
        body(attributes={"a": 1}),
        body(attributes=["a"]),
        body(orderingKey={}),
        body(publishTime="yesterday"),
        body(publishTime="2021-02-26T19:13:55"),
        body(attributes={"a": "\ud800"}),
        b'{"message": {"messageId": "1"}, "subscription": "s", "deliveryAttempt": -1}',
        b'{"message": {"messageId": "1"}, "subscription": "s", "deliveryAttempt": true}',
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_refuses_what_is_not_a_push_request(raw: bytes) -> None:
    """Anything else is malformed, and says so in its own words."""
    with pytest.raises(Malformed) as refused:
        parse_push(raw)
    assert refused.value.detail


@given(st.binary())
def test_arbitrary_bytes_never_do_worse(raw: bytes) -> None:
    """Arbitrary bytes are read or refused; nothing else escapes."""
    with suppress(Malformed):
        parse_push(raw)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "subscription": FIELD,
            "deliveryAttempt": FIELD,
            "message": JSON
            | st.fixed_dictionaries(
                {},
                optional=dict.fromkeys(
                    ("messageId", "message_id", "data", "attributes", "orderingKey", "publishTime"), FIELD
                ),
            ),
        },
    )
)
@example({"message": {"messageId": "1", "publishTime": "9999-12-31T23:59:59-23:59"}, "subscription": "s"})
@settings(max_examples=40)
def test_arbitrary_fields_never_do_worse(raw: dict[str, Any]) -> None:
    """Bodies of the right shape with arbitrary fields are read or refused; nothing else escapes."""
    with suppress(Malformed):
        parse_push(json.dumps(raw).encode())


@given(DELIVERIES)
def test_what_is_written_reads_back_the_same(delivery: Delivery) -> None:
    """Writing a delivery and reading it back loses nothing."""
    assert parse_push(to_push(delivery)) == delivery
