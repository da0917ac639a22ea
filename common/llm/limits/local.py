"""The limiter of a single process."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from common.llm.limits.port import (
    BURST_SECONDS,
    DECREASE,
    INCREASE_PER_SECOND,
    LEAST_FACTOR,
    NO_WAIT_SECONDS,
    SAME_DECREASE_SECONDS,
    Rates,
)


@dataclass(slots=True)
class _State:
    """Instants are those of the clock; the first two are when the requests and tokens reserved are used up."""

    requests_until: float = 0.0
    tokens_until: float = 0.0
    blocked_until: float = 0.0
    factor: float = 1.0
    decreased_at: float = 0.0


class LocalLimiter:
    """Implements the `Limiter` port in memory."""

    def __init__(self, rates: Rates, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = rates
        self._clock = clock
        self._lock = threading.Lock()
        self._states: defaultdict[str, _State] = defaultdict(_State)

    def reserve(self, model: str, requests: int, tokens: int, *, patience: float) -> float:
        """How many seconds to wait before making so many requests with so many tokens together."""
        with self._lock:
            now, state = self._clock(), self._states[model]
            blocked = max(0.0, state.blocked_until - now)
            if requests == 0:
                return blocked
            factor = _factor(state, now)
            for_requests = requests * 60 / (self._rates.requests_per_minute * factor)
            for_tokens = tokens * 60 / (self._rates.tokens_per_minute * factor)
            requests_until = max(now, state.requests_until) + for_requests
            tokens_until = max(now, state.tokens_until) + for_tokens
            wait = max(
                blocked,
                requests_until - now - max(BURST_SECONDS, for_requests),
                tokens_until - now - max(BURST_SECONDS, for_tokens),
            )
            wait = 0.0 if wait < NO_WAIT_SECONDS else wait
            if wait <= patience:
                state.requests_until, state.tokens_until = requests_until, tokens_until
            return wait

    def turned_away(self, model: str, retry_after: float | None) -> None:
        """Takes note of a 429, and of the seconds it asks to wait."""
        with self._lock:
            now, state = self._clock(), self._states[model]
            if now - state.decreased_at >= SAME_DECREASE_SECONDS:
                state.factor = max(LEAST_FACTOR, _factor(state, now) * DECREASE)
                state.decreased_at = now
            state.blocked_until = max(state.blocked_until, now + (retry_after or 0.0))


def _factor(state: _State, now: float) -> float:
    rested = now - max(state.decreased_at, state.blocked_until)
    return min(1.0, state.factor + max(0.0, rested) * INCREASE_PER_SECOND)
