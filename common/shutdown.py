"""How a process ends: told to, it takes on nothing new, finishes what it can, hands over the rest, and is gone in time.

Cloud Run sends SIGTERM and kills ten seconds later
(https://cloud.google.com/run/docs/container-contract#instance-shutdown). Until then:

    0 s  not ready; deliveries are refused, so that they go elsewhere; streams end; nothing waits to try again
    6 s  calls of the model that still run are broken off, and their items handed over
    8 s  what is held even now is handed over by whoever ends the process
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import structlog

from common.errors import Unavailable

LIMIT_SECONDS = 10.0
CALLS_SECONDS = 6.0
HOLD_SECONDS = 8.0

log = structlog.get_logger()


class ShuttingDown(Unavailable):
    """This process is about to end; any other will do."""

    code = "shutting_down"


class Shutdown:
    """Whether and since when a process is ending. Times are in seconds from when it was told to."""

    def __init__(self, *, calls_seconds: float = CALLS_SECONDS, hold_seconds: float = HOLD_SECONDS) -> None:
        self._calls_seconds = calls_seconds
        self._hold_seconds = hold_seconds
        self._begun = threading.Event()
        self._begun_at: float | None = None

    def begin(self) -> None:
        """Ends the process in time, where `attend` was called. Safe in a signal handler, as long as the main
        thread does not `sleep` here."""
        if self._begun_at is None:
            self._begun_at = time.monotonic()
            self._begun.set()

    @property
    def begun(self) -> bool:
        """Whether the process was told to end."""
        return self._begun_at is not None

    def calls_end(self) -> float:
        """The `time.monotonic()` instant by which a call of the model must have ended; infinity while there is none."""
        return math.inf if self._begun_at is None else self._begun_at + self._calls_seconds

    def check(self) -> None:
        """Raises `ShuttingDown` where the process was told to end."""
        if self.begun:
            raise ShuttingDown("this process is about to end")

    def sleep(self, seconds: float) -> None:
        """Sleeps, and raises `ShuttingDown` as soon as the process is told to end."""
        self._begun.wait(seconds)
        self.check()

    def attend(self, *, interrupt: Callable[[], None], leave: Callable[[], None]) -> None:
        """Starts the thread that waits for `begin` and then keeps the times: `interrupt` is to break off the calls
        of the model, `leave` to hand over what is held and end the process. Where all ended sooner, the process
        is gone before either is called."""
        threading.Thread(target=self._attend, args=[interrupt, leave], name="shutdown", daemon=True).start()

    def _attend(self, interrupt: Callable[[], None], leave: Callable[[], None]) -> None:
        self._begun.wait()
        log.info("shutdown_begun")
        self._sleep_until(self._calls_seconds)
        try:
            interrupt()
        except Exception:
            log.exception("interrupt_failed")
        self._sleep_until(self._hold_seconds)
        leave()

    def _sleep_until(self, seconds: float) -> None:
        time.sleep(max(0.0, (self._begun_at or 0.0) + seconds - time.monotonic()))


PROCESS = Shutdown()
"""That of this process."""


def shutting_down() -> bool:
    """Whether this process was told to end."""
    return PROCESS.begun
