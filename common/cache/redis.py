"""The cache in Redis."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from common.cache.breaker import Breaker

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 0.5
LOCK_SECONDS = 6.0
POLL_SECONDS = 0.05

KEEP = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


def connect(url: str, *, timeout: float = TIMEOUT_SECONDS) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://` that gives up after `timeout` seconds.

    A connection the server closed is replaced at once, so that a restart is not an error.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),
        protocol=2,
    )


def breaker() -> Breaker:
    """The breaker for everything in a process that uses one Redis."""
    return Breaker("redis", (RedisError, OSError))


class RedisCache:
    """Implements the `Cache` port. `lock_seconds` is how long the lock of a dead process holds up the others."""

    def __init__(self, redis: Redis, breaker: Breaker, *, lock_seconds: float = LOCK_SECONDS) -> None:
        self._redis = redis
        self._breaker = breaker
        self._lock_ms = int(lock_seconds * 1000)
        self._keep = redis.register_script(KEEP)
        self._release = redis.register_script(RELEASE)

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        return self._breaker.call(lambda: cast("bytes | None", self._redis.get(key)), otherwise=None)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of keys, in order, in one round trip."""
        if not keys:
            return []
        missing: list[bytes | None] = [None] * len(keys)
        return self._breaker.call(lambda: cast("list[bytes | None]", self._redis.mget(keys)), otherwise=missing)

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keeps a value for `ttl` seconds."""
        self._breaker.call(lambda: self._redis.set(key, value, px=_ms(ttl)), otherwise=None)

    def set_many(self, values: Mapping[str, bytes], *, ttl: float) -> None:
        """Keeps values for `ttl` seconds, in one round trip."""

        def write() -> None:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    pipeline.set(key, value, px=_ms(ttl))
                pipeline.execute()

        if values:
            self._breaker.call(write, otherwise=None)

    def single_flight(self, key: str, compute: Callable[[], bytes], *, ttl: float, patience: float) -> bytes:
        """The value of a key, computed once however many processes ask for it at the same time."""
        deadline = time.monotonic() + patience
        while (kept := self.get(key)) is None:
            token = uuid.uuid4().hex
            locked = self._breaker.call(
                lambda token=token: bool(self._redis.set(_lock(key), token, nx=True, px=self._lock_ms)),  # type: ignore[misc]
                otherwise=None,
            )
            if locked:
                return self._compute_locked(key, token, compute, ttl)
            if locked is None or time.monotonic() > deadline:
                return compute()
            time.sleep(POLL_SECONDS)
        return kept

    def _compute_locked(self, key: str, token: str, compute: Callable[[], bytes], ttl: float) -> bytes:
        with self._kept_locked(key, token):
            # The one before us may have finished between our look and our lock.
            value = self.get(key)
            if value is None:
                value = compute()
                self.set(key, value, ttl=ttl)
        return value

    @contextmanager
    def _kept_locked(self, key: str, token: str) -> Iterator[None]:
        """Renews the lock while the block runs: it can be short, for the sake of those who wait for a dead holder."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self._lock_ms / 3000):
                self._breaker.call(lambda: self._keep(keys=[_lock(key)], args=[token, self._lock_ms]), otherwise=None)

        renewal = threading.Thread(target=renew, name="cache-lock", daemon=True)
        renewal.start()
        try:
            yield
        finally:
            done.set()
            renewal.join()
            self._breaker.call(lambda: self._release(keys=[_lock(key)], args=[token]), otherwise=None)


def _lock(key: str) -> str:
    return f"lock:{key}"


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
