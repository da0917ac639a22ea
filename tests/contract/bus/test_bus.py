"""What every bus promises, whichever carries the messages."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from common.bus.port import Delivery, Message
from tests.contract.bus.conftest import MAX_ATTEMPTS, UNHEARD, WORK, Harness
from tests.fixtures.eventually import eventually


def test_a_batch_arrives_whole(harness: Harness) -> None:
    """Every message of a batch arrives, under the id that publishing it returned."""
    sent = [Message(f"message {number}".encode(), {"number": str(number)}) for number in range(200)]
    ids = harness.bus.publish(WORK, sent)
    assert len(set(ids)) == 200
    eventually(lambda: len(set(harness.work.data())) == 200)
    arrived = {delivery.message_id: delivery for delivery in harness.work.deliveries}
    for id_, message in zip(ids, sent, strict=True):
        assert (arrived[id_].data, arrived[id_].attributes) == (message.data, message.attributes)


def test_a_message_arrives_as_it_was_sent(harness: Harness) -> None:
    """Any bytes and any text survive the journey, with the subscription and the time of publishing."""
    message = Message(bytes(range(256)), {"zażółć": "gęślą jaźń", "quote": '"\\u0000" \n', "empty": ""})
    before = time.time()
    harness.bus.publish(WORK, [message])
    eventually(harness.work.data)
    delivery = harness.work.deliveries[0]
    assert (delivery.data, delivery.attributes) == (message.data, message.attributes)
    assert delivery.subscription == "contract-work-sub"
    assert delivery.published_at is not None
    assert before - 5 < delivery.published_at.timestamp() < time.time() + 5


def test_attributes_alone_are_a_message(harness: Harness) -> None:
    """A message without data arrives like any other."""
    harness.bus.publish(WORK, [Message(b"", {"only": "attributes"})])
    eventually(lambda: harness.work.deliveries)
    assert harness.work.deliveries[0].data == b""
    assert harness.work.deliveries[0].attributes == {"only": "attributes"}


def test_messages_of_several_ordering_keys_arrive(harness: Harness) -> None:
    """One publish may mix ordering keys; ids come back in the order of the messages."""
    sent = [Message(f"{number}".encode(), ordering_key=f"key-{number % 3}") for number in range(9)]
    ids = harness.bus.publish(WORK, sent)
    eventually(lambda: len(set(harness.work.data())) == 9)
    by_id = {delivery.message_id: delivery.data for delivery in harness.work.deliveries}
    assert [by_id[id_] for id_ in ids] == [message.data for message in sent]


def test_the_ordering_key_arrives(harness: Harness) -> None:
    """A delivery names its ordering key."""
    if not harness.tells_ordering_key:
        pytest.skip("the Pub/Sub emulator leaves orderingKey out of its push requests")
    harness.bus.publish(WORK, [Message(b"x", ordering_key="persona-7")])
    eventually(lambda: harness.work.deliveries)
    assert harness.work.deliveries[0].ordering_key == "persona-7"


def test_what_is_refused_comes_again(harness: Harness) -> None:
    """A message that its function does not acknowledge comes again, after a backoff, until it does."""
    harness.work.answer = lambda delivery: 503 if len(harness.work.deliveries) < 3 else 204
    harness.bus.publish(WORK, [Message(b"again")])
    eventually(lambda: len(harness.work.deliveries) == 3)
    assert len({delivery.message_id for delivery in harness.work.deliveries}) == 1
    assert harness.work.arrivals[1] - harness.work.arrivals[0] >= 0.1
    assert harness.dead.deliveries == []


def test_attempts_are_counted(harness: Harness) -> None:
    """Each delivery of a message says which attempt it is."""
    if not harness.tells_attempts:
        pytest.skip("the Pub/Sub emulator leaves deliveryAttempt out of its push requests")
    harness.work.answer = lambda delivery: 503 if delivery.attempt < 3 else 204
    harness.bus.publish(WORK, [Message(b"again")])
    eventually(lambda: len(harness.work.deliveries) == 3)
    assert [delivery.attempt for delivery in harness.work.deliveries] == [1, 2, 3]


def test_what_is_refused_too_often_becomes_a_dead_letter(harness: Harness) -> None:
    """After its last attempt a message moves to the dead letters, with what it was and where it failed."""
    harness.work.answer = lambda delivery: 500 if delivery.data == b"poison" else 204
    harness.bus.publish(WORK, [Message(b"poison", {"type": "t"}), Message(b"good")])
    eventually(lambda: harness.dead.deliveries, within=60)
    letter = harness.dead.deliveries[0]
    assert letter.data == b"poison"
    assert letter.attributes["type"] == "t"
    assert letter.attributes["CloudPubSubDeadLetterSourceSubscription"] == "contract-work-sub"
    assert letter.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == str(MAX_ATTEMPTS)
    assert letter.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"].endswith("Z")
    assert letter.attributes["CloudPubSubDeadLetterSourceSubscriptionProject"]
    assert Counter(harness.work.data()) == {b"poison": MAX_ATTEMPTS, b"good": 1}


def test_a_delayed_message_waits(harness: Harness) -> None:
    """A delayed message arrives whole, and not before its delay is over."""
    published = time.time()
    (id_,) = harness.bus.publish(WORK, [Message(b"later", {"a": "b"}, "key")], delay=1.5)
    eventually(lambda: harness.work.deliveries)
    later = harness.work.deliveries[0]
    assert (later.message_id, later.data, later.attributes) == (id_, b"later", {"a": "b"})
    assert later.ordering_key == "key"
    assert harness.work.arrivals[0] >= published + 1.5


def test_messages_are_handled_side_by_side(harness: Harness) -> None:
    """A slow message does not hold up the others."""
    if not harness.pushes_side_by_side:
        pytest.skip("the Pub/Sub emulator pushes the messages of a subscription one after the other")
    all_there = threading.Barrier(12)

    def wait_for_all(_: Delivery) -> int:
        all_there.wait(timeout=30)
        return 204

    harness.work.answer = wait_for_all
    harness.bus.publish(WORK, [Message(f"{number}".encode()) for number in range(12)])
    eventually(lambda: len(harness.work.data()) == 12)


def test_no_message_is_handled_twice_while_its_lease_holds(harness: Harness) -> None:
    """However many workers there are, each message reaches one of them."""
    for start in range(0, 300, 20):
        harness.bus.publish(WORK, [Message(f"{number}".encode()) for number in range(start, start + 20)])
    eventually(lambda: len(set(harness.work.data())) == 300)
    assert len(harness.work.data()) == 300


def test_a_topic_nobody_subscribed_to_drops_its_messages(harness: Harness) -> None:
    """Publishing where nobody listens succeeds, and the messages go nowhere."""
    assert len(harness.bus.publish(UNHEARD, [Message(b"x")])) == 1
    harness.bus.publish(WORK, [Message(b"y")])
    eventually(harness.work.data)
    assert harness.work.data() == [b"y"]
