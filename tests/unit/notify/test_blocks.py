"""Tests of what a message looks like on Slack."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.notify.blocks import MAX_TEXT, blocks, escaped, summary
from common.notify.models import Message
from tests.fakes.slack.server import complaint

MESSAGE = Message(
    title="api: rolled back to api-1",
    status="done",
    text="40 % of <requests> failed & more",
    facts=(("service", "api"), ("at fault", "api-2")),
    lines=("10:00:00 alert: 5xx above 5 %", "10:00:02 shifted: api-1 has all the traffic"),
    commands=("sight ops timeline api",),
    url="https://console.cloud.google.com/monitoring?project=p&x=a|b>c",
)
WORDS = st.text(max_size=4000) | st.text(alphabet="&<>`*", max_size=4000)
MESSAGES = st.builds(
    Message,
    title=st.text(min_size=1, max_size=400),
    status=st.sampled_from(("trouble", "working", "done", "information")),
    text=WORDS,
    facts=st.lists(st.tuples(WORDS, WORDS), max_size=14).map(tuple),
    lines=st.lists(WORDS, max_size=60).map(tuple),
    commands=st.lists(WORDS, max_size=5).map(tuple),
    url=st.sampled_from(("", "javascript:alert(1)", "https://e.example/"))
    | st.text(max_size=3000).map("https://".__add__),
)


def texts(message: Message) -> list[str]:
    """What each block says."""
    found: list[Any] = blocks(message)
    return [block["text"]["text"] for block in found if "text" in block]


def test_a_message_is_shown_whole() -> None:
    """Title with a sign, reason, facts, timeline, commands and the link, in this order."""
    title, reason, timeline, commands, link = texts(MESSAGE)
    assert title == ":white_check_mark: api: rolled back to api-1"
    assert reason == "40 % of &lt;requests&gt; failed &amp; more"
    assert timeline.splitlines() == list(MESSAGE.lines)
    assert commands == "```sight ops timeline api```"
    assert link == "<https://console.cloud.google.com/monitoring?project=p&x=a%7Cb%3Ec|Open the incident>"
    (fields,) = [block["fields"] for block in blocks(MESSAGE) if "fields" in block]
    assert [field["text"] for field in fields] == ["*service*\napi", "*at fault*\napi-2"]


def test_of_a_long_timeline_the_latest_lines_are_shown() -> None:
    """What does not fit is counted."""
    lines = tuple(f"line {number} {'x' * 90}" for number in range(60))
    shown = texts(Message("t", "working", "", lines=lines))[1].splitlines()
    assert shown[-1] == lines[-1]
    assert shown[0] == f"_{61 - len(shown)} earlier lines_"


def test_a_link_that_is_none_is_not_shown() -> None:
    """Only addresses of the web become links."""
    assert texts(Message("t", "trouble", "", url="javascript:alert(1)")) == [":rotating_light: t"]


@given(st.text(alphabet="a&<>", max_size=200), st.integers(20, 100))
def test_cut_text_ends_in_no_half_entity(text: str, limit: int) -> None:
    """Whatever is cut, what is left reads as it should."""
    shown = escaped(text, limit)
    assert len(shown) <= limit
    for entity in ("&amp;", "&lt;", "&gt;"):
        shown = shown.replace(entity, "")
    assert not set("&<>") & set(shown)


@given(MESSAGES)
def test_slack_takes_whatever_is_told(message: Message) -> None:
    """No message is beyond the limits of blocks, and nothing in it mentions or links."""
    assert complaint({"text": summary(message), "blocks": blocks(message)}) == ""
    assert len(summary(message)) <= MAX_TEXT
    assert all("<!" not in text and "<@" not in text for text in texts(message)[1:])
