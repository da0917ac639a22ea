"""Tests of what a message looks like as a mail."""

from __future__ import annotations

from common.notify.mail import body
from common.notify.models import Message


def test_a_mail_says_everything_in_plain_text() -> None:
    """Reason, facts, timeline, commands and the link, with a blank line between them."""
    message = Message(
        title="api: rolled back",
        status="done",
        text="40 % of requests failed",
        facts=(("service", "api"), ("at fault", "api-2")),
        lines=("10:00:00 alert: 5xx", "10:00:02 shifted: api-1"),
        commands=("sight ops timeline api",),
        url="https://example.com/incident",
    )
    assert body(message) == (
        "40 % of requests failed\n\n"
        "service: api\nat fault: api-2\n\n"
        "10:00:00 alert: 5xx\n10:00:02 shifted: api-1\n\n"
        "    sight ops timeline api\n\n"
        "https://example.com/incident\n"
    )


def test_what_is_not_there_leaves_no_gap() -> None:
    """A message of one sentence is a mail of one line."""
    assert body(Message("t", "information", "All is well.")) == "All is well.\n"
