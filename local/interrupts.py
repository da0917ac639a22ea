"""Holds interrupts back while something is begun that an interrupt must be able to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class Held:
    """Interrupts that wait; `come` is whether there was one."""

    def __init__(self) -> None:
        self.come = False
        self._before = {number: signal.signal(number, self._note) for number in INTERRUPTS}

    def release(self) -> None:
        """Lets interrupts be again what they were before. Raises `KeyboardInterrupt` when one has come."""
        self.restore()
        if self.come:
            self.come = False
            raise KeyboardInterrupt

    def restore(self) -> None:
        """Puts the handlers back that were there before, if they are not there yet."""
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, *_: object) -> None:
        self.come = True


@contextmanager
def held() -> Iterator[Held]:
    """Within it, SIGINT and SIGTERM do nothing until `release`, for which the end is too late: one that has come
    by then is raised as `KeyboardInterrupt`. Of the main thread only.

    An exception raised by a signal may come between any two steps of a program, also between the start of a
    process and the `try` or `with` that would end it.
    """
    interrupts = Held()
    try:
        yield interrupts
    finally:
        interrupts.restore()
    interrupts.release()
