"""Carries out what automations ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.bootstrap import services
from common.events.commands import COMMAND, AnyCommand
from functions.commands.handle import handle_command

if TYPE_CHECKING:
    from flask import Request


def commands(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-commands."""
    return services().receiver.receive(request.get_data(), request.headers, COMMAND, _handle)


def _handle(command: AnyCommand) -> None:
    s = services()
    handle_command(command, engine=s.engine, relay=s.relay, simulated=s.settings.llm_provider == "simulated")
