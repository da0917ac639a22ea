"""Tells those who wait for messages on this machine that some were just published by this process."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def listen(callback: Callable[[], None]) -> Callable[[], None]:
    """Has `callback` called after every publish in this process, on the publisher's thread: it must be quick.
    Returns what ends that."""
    _listeners.append(callback)
    return lambda: _listeners.remove(callback)


def ring() -> None:
    """Calls everyone who listens."""
    for callback in _listeners:
        callback()
