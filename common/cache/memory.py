"""The cache within one process, for what has no Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence


class MemoryCache:
    """Implements the `Cache` port. It keeps the `limit` newest values."""

    def __init__(self, *, limit: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, bytes]] = {}
        self._flights: dict[str, threading.Event] = {}

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        with self._lock:
            return self._get(key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of keys, in order."""
        with self._lock:
            return [self._get(key) for key in keys]

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keeps a value for `ttl` seconds."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (self._clock() + ttl, value)
            while len(self._values) > self._limit:
                self._values.pop(next(iter(self._values)))

    def set_many(self, values: Mapping[str, bytes], *, ttl: float) -> None:
        """Keeps values for `ttl` seconds."""
        for key, value in values.items():
            self.set(key, value, ttl=ttl)

    def single_flight(self, key: str, compute: Callable[[], bytes], *, ttl: float, patience: float) -> bytes:
        """The value of a key, computed once however many threads ask for it at the same time."""
        deadline = time.monotonic() + patience
        while True:
            with self._lock:
                kept = self._get(key)
                if kept is not None:
                    return kept
                flight = self._flights.get(key)
                if flight is None:
                    mine = self._flights[key] = threading.Event()
                    break
            if not flight.wait(deadline - time.monotonic()):
                return compute()
        try:
            value = compute()
            self.set(key, value, ttl=ttl)
        finally:
            with self._lock:
                del self._flights[key]
            mine.set()
        return value

    def _get(self, key: str) -> bytes | None:
        expires, value = self._values.get(key, (0.0, None))
        return value if self._clock() < expires else None
