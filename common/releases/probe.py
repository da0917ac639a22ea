"""Asks a revision on its own address whether it would do any better."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROBE_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class Health:
    """What a revision says of itself."""

    up: bool
    detail: str


Probe = Callable[[str], Health | None]
"""Takes the address of a revision and returns its health, None when it cannot be had: that proves nothing."""


def probe(address: str) -> Health | None:
    """Asks `{address}/health` once. Only a revision that answers and says it is unhealthy counts as down."""
    import urllib3

    try:
        with urllib3.PoolManager(timeout=PROBE_SECONDS, retries=False) as http:
            answer = http.request("GET", f"{address.rstrip('/')}/health")
    except urllib3.exceptions.HTTPError:
        return None
    if answer.status == 200:
        return Health(up=True, detail="it answers as healthy now")
    down = _down(answer.data)
    if answer.status != 503 or not down:
        return None
    return Health(up=False, detail=f"it says itself that {' and '.join(down)} {'is' if len(down) == 1 else 'are'} down")


def _down(body: bytes) -> list[str]:
    try:
        checks: dict[str, Any] = json.loads(body)["checks"]
        return [name for name, check in checks.items() if check["status"] == "down"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
