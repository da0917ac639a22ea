"""Notifications in Postgres, sent to a fake Slack and a fake mail server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.bus.topology import NOTIFICATIONS
from common.notify.mail import Mail
from common.notify.models import Message
from common.notify.port import Channel
from common.notify.send import offer, send, send_overdue
from common.notify.service import tell
from common.notify.slack import Slack
from tests.fakes.bus import ListBus
from tests.fakes.slack.server import Workspace
from tests.fakes.smtp.server import Mailbox, SmtpServer

THREAD = "incident/1"


def message(title: str, status: Any = "working") -> Message:
    """Something to tell."""
    return Message(title, status, "5xx above 5 %")


@dataclass
class Desk:
    """Tells people and looks at what reached them."""

    engine: Engine
    bus: ListBus
    channels: dict[str, Channel]
    workspace: Workspace
    mailbox: Mailbox

    def tell(self, told: Message, *, channels: Sequence[str] = ("slack",), thread: str = THREAD) -> list[UUID]:
        """Has people told, as a rollback does."""
        with self.engine.begin() as connection:
            ids = tell(connection, thread, told, channels)
        offer(self.bus, ids)
        return ids

    def send(self) -> int:
        """Sends what is asked for on the bus and returns how many there were."""
        asked = self.asked()
        for id_ in asked:
            send(self.engine, self.bus, self.channels, id_)
        return len(asked)

    def asked(self) -> list[UUID]:
        """What is asked for on the bus since this was last called."""
        return [UUID(json.loads(data)["notification_id"]) for data in self.bus.take(NOTIFICATIONS)]

    def sweep(self) -> int:
        """One pass of the maintenance sweep."""
        return send_overdue(self.engine, self.bus)

    def later(self, seconds: int = 600) -> None:
        """Lets time pass."""
        self.sql(
            f"UPDATE notifications SET due_at = due_at - interval '{seconds} s',"
            f" lease_until = lease_until - interval '{seconds} s'"
        )

    def row(self) -> Any:
        """The only notification there is."""
        (found,) = self.sql("SELECT * FROM notifications")
        return found

    def sql(self, statement: str) -> Sequence[Any]:
        """The rows of a statement."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.all() if result.returns_rows else []

    def shown(self) -> list[str]:
        """The title of each message on Slack."""
        return [found["text"].rpartition(":")[0] for found in self.workspace.messages]

    def mailed(self) -> list[str]:
        """The subject of each mail."""
        return [found["Subject"] for found in self.mailbox.mails]


@pytest.fixture
def desk(engine: Engine, bus: ListBus, slack: Slack, workspace: Workspace, smtp_server: SmtpServer) -> Desk:
    """A desk with both channels."""
    mail = Mail(f"smtp://127.0.0.1:{smtp_server.port}", sender="sight@example.com", recipients=["ann@example.com"])
    return Desk(engine, bus, {"slack": slack, "email": mail}, workspace, smtp_server.mailbox)
