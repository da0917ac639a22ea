"""A fake Slack in this process, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.notify.slack import Slack
from tests.fakes.slack.server import CHANNEL, TOKEN, SlackServer, Workspace


@pytest.fixture
def slack_server() -> Iterator[SlackServer]:
    """A server whose channel is empty."""
    server = SlackServer()
    yield server
    server.close()


@pytest.fixture
def workspace(slack_server: SlackServer) -> Workspace:
    """What the server has."""
    return slack_server.workspace


@pytest.fixture
def slack(slack_server: SlackServer) -> Slack:
    """The adapter on that server."""
    return Slack(TOKEN, CHANNEL, endpoint=slack_server.url)
