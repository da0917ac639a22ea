"""What Sight asks of a cache, whichever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol


class Cache(Protocol):
    """Keeps bytes under keys for a while. It never raises for being down: what cannot be read is missing,
    what cannot be written is not kept."""

    def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""
        ...

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of keys, in order, in one round trip."""
        ...

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keeps a value for `ttl` seconds."""
        ...

    def set_many(self, values: Mapping[str, bytes], *, ttl: float) -> None:
        """Keeps values for `ttl` seconds, in one round trip."""
        ...

    def single_flight(self, key: str, compute: Callable[[], bytes], *, ttl: float, patience: float) -> bytes:
        """The value of a key, computed once however many processes ask for it at the same time.

        Whoever comes first computes and keeps the value for `ttl` seconds; the others wait for it, at
        most `patience` seconds, and then compute it themselves. So does the next one when the first
        fails or dies, and everyone when the cache is down. Raises what `compute` raises.
        """
        ...
