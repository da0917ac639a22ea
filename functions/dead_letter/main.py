"""Keeps what the bus gave up on, for someone to look at and replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.bootstrap import services

if TYPE_CHECKING:
    from flask import Request


def dead_letter(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-dead-letters."""
    return services().receiver.bury(request.get_data(), request.headers)
