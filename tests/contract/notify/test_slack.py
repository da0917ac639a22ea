"""Telling people on Slack, on the wire."""

from __future__ import annotations

import pytest

from common.notify.models import Message
from common.notify.port import NotTold, Telling
from common.notify.slack import Slack
from tests.fakes.slack.server import CHANNEL, TOKEN, SlackServer, Workspace

MESSAGE = Message("api: sending all traffic to api-1", "working", "5xx", lines=("10:00 alert: 5xx",))
LATER = Message("api: rolled back to api-1", "done", "5xx", lines=("10:00 alert: 5xx", "10:01 shifted"))


def shown(workspace: Workspace) -> list[str]:
    """The text of each message in the channel."""
    return [message["text"] for message in workspace.messages]


def test_a_thread_is_one_message_that_is_updated(slack: Slack, workspace: Workspace) -> None:
    """The first is posted with its metadata, what follows replaces what it says."""
    handle = slack.deliver(Telling(MESSAGE, key="n1"))
    assert slack.deliver(Telling(LATER, handle, key="n1", version=2)) == handle
    assert shown(workspace) == ["api: rolled back to api-1: 5xx"]
    assert workspace.messages[0]["metadata"]["event_payload"] == {"key": "n1"}
    assert [method for method, _ in workspace.calls] == ["chat.postMessage", "chat.update"]


@pytest.mark.parametrize("reason", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_a_message_that_is_gone_is_posted_anew(slack: Slack, workspace: Workspace, reason: str) -> None:
    """Somebody deleted it, or it may not be edited any more: people are told all the same."""
    handle = slack.deliver(Telling(MESSAGE))
    workspace.faults.append(reason)
    assert slack.deliver(Telling(LATER, handle)) != handle
    assert len(workspace.messages) == 2


def test_slack_says_how_long_to_wait(slack: Slack, workspace: Workspace) -> None:
    """A 429 carries its Retry-After on."""
    workspace.faults.append("429")
    workspace.retry_after = 17
    with pytest.raises(NotTold, match="asks to wait") as raised:
        slack.deliver(Telling(MESSAGE))
    assert raised.value.retry_after == 17


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "Slack answered 500"),
        ("html", "Slack answered 502"),
        ("drop", "Slack did not answer"),
        ("ratelimited", "Slack asks to wait"),
        ("not_in_channel", "invite the bot"),
        ("token_revoked", "SIGHT_SLACK_TOKEN was revoked"),
        ("fatal_error", "Slack refused: fatal_error"),
    ],
)
def test_whatever_goes_wrong_is_said(slack: Slack, workspace: Workspace, fault: str, words: str) -> None:
    """No failure passes for a message told, and the reason says what to do where it is known."""
    workspace.faults.append(fault)
    with pytest.raises(NotTold, match=words):
        slack.deliver(Telling(MESSAGE))


def test_a_wrong_token_is_never_shown(slack_server: SlackServer) -> None:
    """The reason names the setting and not what is in it."""
    with pytest.raises(NotTold, match="SIGHT_SLACK_TOKEN is not valid") as raised:
        Slack("xoxb-wrong", CHANNEL, endpoint=slack_server.url).deliver(Telling(MESSAGE))
    assert "xoxb" not in raised.value.detail


def test_a_channel_the_bot_cannot_see_is_named(slack_server: SlackServer) -> None:
    """The setting is the channel's id, not its name."""
    with pytest.raises(NotTold, match="SIGHT_SLACK_CHANNEL is no channel the bot can see"):
        Slack(TOKEN, "#ops", endpoint=slack_server.url).deliver(Telling(MESSAGE))


def test_nobody_there(slack_server: SlackServer) -> None:
    """A server that cannot be reached is a failure like another."""
    slack_server.close()
    with pytest.raises(NotTold, match="Slack did not answer"):
        Slack(TOKEN, CHANNEL, endpoint=slack_server.url).deliver(Telling(MESSAGE))


def test_what_may_have_been_posted_is_found_and_updated(slack: Slack, workspace: Workspace) -> None:
    """A posting whose answer got lost is recognised by its key and not repeated."""
    slack.deliver(Telling(MESSAGE, key="other"))
    workspace.faults.append("lost")
    with pytest.raises(NotTold):
        slack.deliver(Telling(MESSAGE, key="n1"))
    slack.deliver(Telling(LATER, key="n1", version=2, doubtful=True))
    assert shown(workspace) == ["api: sending all traffic to api-1: 5xx", "api: rolled back to api-1: 5xx"]


def test_a_token_that_may_not_look_tells_twice_rather_than_not_at_all(slack: Slack, workspace: Workspace) -> None:
    """Looking for what was posted needs a scope that not every bot has."""
    workspace.may_look = False
    workspace.faults.append("lost")
    with pytest.raises(NotTold):
        slack.deliver(Telling(MESSAGE, key="n1"))
    slack.deliver(Telling(MESSAGE, key="n1", doubtful=True))
    assert len(workspace.messages) == 2
