"""How the fake server is to behave: how slow, and what goes wrong how often."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

TRANSIENT = ("rate_limited", "internal", "unavailable", "dropped", "cut", "truncated", "malformed", "empty")
MODES = (
    "ok", "mixed", "hang", *TRANSIENT, "max_tokens", "wrong_schema", "not_json", "blocked_prompt", "safety",
    "recitation", "bad_request", "bad_key", "forbidden", "no_model",
)  # fmt: skip


@dataclass
class Behaviour:
    """What `POST /control` sets. Times are in seconds.

    `mode` strikes the share `rate` of calls, and only the next `times` calls if that is set. Which calls
    is decided by `seed`, the request and how often it was seen, so that it does not hang on their order.
    `mixed` picks one of `kinds`. `script` holds what to answer next, each a `{"text": ...}`,
    `{"data": ...}`, `{"mode": ...}` or `{"status": ..., "body": ..., "headers": ...}`. `overlay` gives
    the values of properties by name, wherever they occur in a schema. `limit_per_second` is the quota
    beyond which calls are answered 429.
    """

    latency: float = 0.0
    jitter: float = 0.0
    mode: str = "ok"
    rate: float = 1.0
    times: int | None = None
    kinds: list[str] = field(default_factory=lambda: list(TRANSIENT))
    seed: int = 0
    retry_after: float = 1.0
    limit_per_second: float | None = None
    script: list[dict[str, Any]] = field(default_factory=list)
    overlay: dict[str, Any] = field(default_factory=dict)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Sets some fields. Raises `ValueError` for unknown names or modes."""
        known = {each.name for each in fields(self)}
        for name, value in settings.items():
            if name not in known:
                raise ValueError(f"there is no setting {name}; there are {', '.join(sorted(known))}")
            if name == "mode" and value not in MODES:
                raise ValueError(f"there is no mode {value}; there are {', '.join(MODES)}")
            setattr(self, name, value)

    def mode_of(self, digest: bytes, seen: int) -> str:
        """The mode of a call whose request has this digest and was seen this many times before."""
        if self.mode == "ok" or self.times == 0:
            return "ok"
        chance = self._chance(digest, seen, b"rate")
        if chance >= self.rate:
            return "ok"
        if self.times is not None:
            self.times -= 1
        if self.mode != "mixed":
            return self.mode
        return self.kinds[int(self._chance(digest, seen, b"kind") * len(self.kinds))]

    def delay(self, digest: bytes, seen: int) -> float:
        """How long a call takes, in seconds."""
        if not self.jitter:
            return self.latency
        return max(0.0, self.latency + self.jitter * (2 * self._chance(digest, seen, b"delay") - 1))

    def _chance(self, digest: bytes, seen: int, purpose: bytes) -> float:
        key = b"%d|%d|%s|%s" % (self.seed, seen, purpose, digest)
        return int.from_bytes(hashlib.blake2b(key, digest_size=6).digest()) / 2**48
