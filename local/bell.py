"""Wakes a waiting process from any other on this machine, through a pipe that both inherit."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Sequence


class Bell:
    """One process waits, any process that was forked after the bell was made rings."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def ring(self) -> None:
        """Wakes who waits, now or next. Rings that nobody has heard yet count as one."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full of rings already
            os.write(self._write, b"!")

    def wait(self, seconds: float) -> bool:
        """Waits for a ring, at most so long; whether there was one."""
        if not select.select([self._read], [], [], seconds)[0]:
            return False
        os.read(self._read, 4096)
        return True

    def close(self) -> None:
        """Closes this process's ends."""
        os.close(self._read)
        os.close(self._write)


def ring_all(bells: Sequence[Bell]) -> None:
    """Rings every one of them."""
    for bell in bells:
        bell.ring()
