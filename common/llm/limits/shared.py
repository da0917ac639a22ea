"""The limiter all processes share through Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from redis import Redis

from common.cache.breaker import Breaker
from common.llm.limits.local import LocalLimiter
from common.llm.limits.port import (
    BURST_SECONDS,
    DECREASE,
    INCREASE_PER_SECOND,
    LEAST_FACTOR,
    NO_WAIT_SECONDS,
    SAME_DECREASE_SECONDS,
    Rates,
)

FORGET_SECONDS = 600
LEASE_SECONDS = 0.02
LEASE_LIMIT = 32
LEASE_KEPT_SECONDS = 0.25

# The state is a hash of instants on the server's own clock: clocks of the processes do not matter.
READ = f"""
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local state = redis.call('HMGET', KEYS[1], 'requests_until', 'tokens_until', 'blocked_until', 'factor', 'decreased_at')
local requests_until, tokens_until = tonumber(state[1]) or 0, tonumber(state[2]) or 0
local blocked_until, decreased_at = tonumber(state[3]) or 0, tonumber(state[5]) or 0
local rested = math.max(0, now - math.max(decreased_at, blocked_until))
local factor = math.min(1, (tonumber(state[4]) or 1) + rested * {INCREASE_PER_SECOND!r})
"""
RESERVE = f"""{READ}
local requests, tokens = tonumber(ARGV[1]), tonumber(ARGV[2])
local blocked = math.max(0, blocked_until - now)
if requests == 0 then return tostring(blocked) end
local for_requests = requests * 60 / (tonumber(ARGV[3]) * factor)
local for_tokens = tokens * 60 / (tonumber(ARGV[4]) * factor)
requests_until = math.max(now, requests_until) + for_requests
tokens_until = math.max(now, tokens_until) + for_tokens
local wait = math.max(blocked, requests_until - now - math.max({BURST_SECONDS}, for_requests),
                      tokens_until - now - math.max({BURST_SECONDS}, for_tokens))
if wait < {NO_WAIT_SECONDS} then wait = 0 end
if wait <= tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[1], 'requests_until', string.format('%.6f', requests_until),
               'tokens_until', string.format('%.6f', tokens_until))
    redis.call('EXPIRE', KEYS[1], {FORGET_SECONDS} + math.ceil(wait))
end
return tostring(wait)
"""
TURN_AWAY = f"""{READ}
if now - decreased_at >= {SAME_DECREASE_SECONDS} then
    redis.call('HSET', KEYS[1], 'factor', tostring(math.max({LEAST_FACTOR}, factor * {DECREASE})),
               'decreased_at', string.format('%.6f', now))
end
local wait = tonumber(ARGV[1])
if now + wait > blocked_until and wait > 0 then
    redis.call('HSET', KEYS[1], 'blocked_until', string.format('%.6f', now + wait))
end
redis.call('EXPIRE', KEYS[1], {FORGET_SECONDS} + math.ceil(wait))
"""


@dataclass(slots=True)
class _Lease:
    requests: int = 0
    tokens: int = 0
    ends: float = 0.0


class SharedLimiter:
    """Implements the `Limiter` port for all processes on one Redis.

    Where the limits are high a process takes a few places at once, as many as they let through in
    `LEASE_SECONDS`: a round trip for every call costs more than it is worth.
    While Redis is down each process keeps to its own share, one of `processes`, of the limit.
    """

    def __init__(
        self,
        redis: Redis,
        breaker: Breaker,
        rates: Rates,
        *,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._breaker = breaker
        self._rates = rates
        self._clock = clock
        self._reserve = redis.register_script(RESERVE)
        self._turn_away = redis.register_script(TURN_AWAY)
        self._alone = LocalLimiter(
            Rates(rates.requests_per_minute / processes, rates.tokens_per_minute / processes), clock=clock
        )
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}

    def reserve(self, model: str, requests: int, tokens: int, *, patience: float) -> float:
        """How many seconds to wait before making so many requests with so many tokens together."""
        if requests and self._take_leased(model, requests, tokens):
            return 0.0
        at_once = self._at_once(tokens) if requests == 1 else 1
        if at_once > 1 and self._ask(model, at_once, tokens * at_once, patience=0.0) == 0.0:
            self._lease(model, at_once - 1, tokens * (at_once - 1))
            return 0.0
        wait = self._ask(model, requests, tokens, patience=patience)
        return self._alone.reserve(model, requests, tokens, patience=patience) if wait is None else wait

    def turned_away(self, model: str, retry_after: float | None) -> None:
        """Takes note of a 429, and of the seconds it asks to wait."""
        with self._lock:
            self._leases.pop(model, None)
        self._alone.turned_away(model, retry_after)
        self._breaker.call(lambda: self._turn_away(keys=[_key(model)], args=[retry_after or 0.0]), otherwise=None)

    def _ask(self, model: str, requests: int, tokens: int, *, patience: float) -> float | None:
        """The answer of Redis, or None while it is down."""
        rates = self._rates
        arguments = [requests, tokens, rates.requests_per_minute, rates.tokens_per_minute, patience]
        answer = self._breaker.call(
            lambda: cast("bytes", self._reserve(keys=[_key(model)], args=arguments)), otherwise=None
        )
        return None if answer is None else float(answer)

    def _at_once(self, tokens: int) -> int:
        """How many calls of so many tokens make a block: both limits must let it through in its time."""
        by_requests = self._rates.requests_per_minute / 60 * LEASE_SECONDS
        by_tokens = self._rates.tokens_per_minute / 60 * LEASE_SECONDS / max(1, tokens)
        return max(1, min(LEASE_LIMIT, int(by_requests), int(by_tokens)))

    def _take_leased(self, model: str, requests: int, tokens: int) -> bool:
        with self._lock:
            lease = self._leases.get(model)
            if lease is None or lease.requests < requests or lease.tokens < tokens or lease.ends < self._clock():
                return False
            lease.requests -= requests
            lease.tokens -= tokens
            return True

    def _lease(self, model: str, requests: int, tokens: int) -> None:
        with self._lock:
            lease = self._leases.setdefault(model, _Lease())
            now = self._clock()
            if lease.ends < now:
                lease.requests = lease.tokens = 0
            lease.requests += requests
            lease.tokens += tokens
            lease.ends = now + LEASE_KEPT_SECONDS


def _key(model: str) -> str:
    return f"llm:limit:{model}"
