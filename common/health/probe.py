"""One check that many callers share, and that costs them its limit once when it hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import structlog

from common.health.reasons import TIMEOUT, reason

T = TypeVar("T")

LIMIT_SECONDS = 2.0
FRESH_SECONDS = 0.5
"""How long an outcome answers those who come later. Health is open to everybody: this is what keeps it from
being a way to have the servers connected to without end."""

REMEMBER_SECONDS = 10.0
"""How long those who come later are told of a timeout instead of waiting for the next one."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a check returned and how long it took, or why it failed."""

    value: T | None
    latency_ms: float
    error: str | None


@dataclass
class _Flight(Generic[T]):
    began_at: float
    landed: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome[T] | None = None


class Probe(Generic[T]):
    """Runs `check` in a thread of its own, one at a time, for at most `limit` seconds as far as callers can tell.

    Callers who come while it runs share it. Once it has hung, callers are answered at once that it does, while
    it goes on hanging or is tried again behind them: the first to hear that it is over is the next but one.
    `check` is to end by itself some time, since no second one begins before.
    """

    def __init__(
        self,
        name: str,
        check: Callable[[], T],
        *,
        limit: float = LIMIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._check = check
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None
        self._known: Outcome[T] | None = None
        self._known_at = 0.0

    def begin(self) -> Callable[[], Outcome[T]]:
        """Joins the check that runs, or begins one. What is returned waits for the outcome."""
        with self._lock:
            known, age = self._known, self._clock() - self._known_at
            if known is not None and age < FRESH_SECONDS:
                return lambda: known
            flight = self._flight or self._take_off()
            if known is not None and known.error == TIMEOUT and age < REMEMBER_SECONDS:
                return lambda: known
        return partial(self._outcome_of, flight)

    def _take_off(self) -> _Flight[T]:
        flight: _Flight[T] = _Flight(self._clock())
        threading.Thread(target=self._fly, args=[flight], name=f"health-{self._name}", daemon=True).start()
        self._flight = flight
        return flight

    def _fly(self, flight: _Flight[T]) -> None:
        value, error = None, None
        try:
            value = self._check()
        except Exception as failure:
            error = reason(failure)
        with self._lock:
            self._flight = None
            if flight.outcome is None:
                self._learn(flight, value, error)
        flight.landed.set()

    def _outcome_of(self, flight: _Flight[T]) -> Outcome[T]:
        flight.landed.wait(max(0.0, flight.began_at + self._limit - self._clock()))
        with self._lock:
            return flight.outcome or self._learn(flight, None, TIMEOUT)

    def _learn(self, flight: _Flight[T], value: T | None, error: str | None) -> Outcome[T]:
        took = self._clock() - flight.began_at
        if took > self._limit:
            value, error = None, TIMEOUT
        before = self._known.error if self._known else None
        if error != before:
            log.warning("dependency_changed", dependency=self._name, error=error)
        flight.outcome = self._known = Outcome(value, round(took * 1000, 1), error)
        self._known_at = self._clock()
        return flight.outcome
