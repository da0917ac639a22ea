"""Tells those who wait for messages in this process that some were just published."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def listen(callback: Callable[[], None]) -> None:
    """Has `callback` called after every publish in this process, on the publisher's thread: it must be quick."""
    _listeners.append(callback)


def ring() -> None:
    """Calls everyone who listens."""
    for callback in _listeners:
        callback()
