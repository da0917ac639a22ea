"""Tests of the function `notify`, as functions-framework serves it, from its settings on."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from common import bootstrap
from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.bus.topology import NOTIFICATIONS
from common.notify.events import requests
from common.notify.service import tell
from tests.fakes.bus import ListBus
from tests.fakes.slack.server import CHANNEL, TOKEN, SlackServer
from tests.fixtures.api import serve, services_on
from tests.integration.notify.conftest import THREAD, message


def push(data: bytes) -> int:
    """Pushes a message to the function and returns the status of the answer."""
    body = to_push(Delivery("m1", "sight-notifications-notify", data, {}))
    return serve("notify").test_client().post("/", data=body).status_code


def test_a_request_has_people_told(
    engine: Engine, bus: ListBus, slack_server: SlackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channels are those of the settings; a channel that is down is tried later, and the request is done with."""
    services = services_on(
        engine, bus, slack_token=SecretStr(TOKEN), slack_channel=CHANNEL, slack_endpoint=slack_server.url
    )
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    assert list(services.channels) == ["slack"]
    with engine.begin() as connection:
        ids = tell(connection, THREAD, message("begun"), tuple(services.channels))
    slack_server.workspace.faults.append("500")
    (asked,) = requests(ids)
    assert push(asked.data) == 204
    assert slack_server.workspace.messages == []
    assert len(bus.take(NOTIFICATIONS)) == 1
    services.say(message("directly"), "other")
    assert [found["text"] for found in slack_server.workspace.messages] == ["directly: 5xx above 5 %"]


def test_a_message_of_another_topic_is_a_dead_letter(
    engine: Engine, bus: ListBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded with its cause and acknowledged."""
    services = services_on(engine, bus)
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    assert list(services.channels) == ["log"]
    assert push(b'{"type": "sight.nonsense.v1"}') == 204
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT cause_code FROM dead_letters").all()
    assert [cause for (cause,) in found] == ["malformed_event"]
