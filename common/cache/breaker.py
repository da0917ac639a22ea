"""Leaves a server alone for a while after it failed, so that an outage costs one timeout and not one per call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

T = TypeVar("T")

COOL_DOWN_SECONDS = 3.0

log = structlog.get_logger(__name__)


class Breaker:
    """Shared by everything in this process that talks to one server.

    After one of `failures` it is open for `cool_down` seconds: nothing is tried. Then a single caller
    tries again while the others still go without; its success closes the breaker.
    """

    def __init__(
        self,
        name: str,
        failures: tuple[type[Exception], ...],
        *,
        cool_down: float = COOL_DOWN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._failures = failures
        self._cool_down = cool_down
        self._clock = clock
        self._lock = threading.Lock()
        self._open = False
        self._try_at = 0.0

    def call(self, action: Callable[[], T], *, otherwise: T) -> T:
        """What `action` returns, or `otherwise` when it fails or is not tried."""
        if self._open and not self._may_try():
            return otherwise
        try:
            result = action()
        except self._failures as error:
            self._failed(error)
            return otherwise
        if self._open:
            self._open = False
            log.info("answers again", server=self._name)
        return result

    def _may_try(self) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._try_at:
                return False
            self._try_at = now + self._cool_down
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first, self._open = not self._open, True
            self._try_at = self._clock() + self._cool_down
        if first:
            log.warning("does not answer", server=self._name, error=type(error).__name__)
