"""Tests of messages as documents."""

from __future__ import annotations

import json

from common.notify.models import Message


def test_a_message_survives_being_kept() -> None:
    """What is read back is what was written."""
    message = Message("t", "trouble", "x", (("a", "b"),), ("l",), ("c",), "https://example.com")
    assert Message.from_json(json.loads(json.dumps(message.as_json()))) == message
