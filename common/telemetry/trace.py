"""W3C Trace Context: one trace from the request through every hop to the last item."""

from __future__ import annotations

import os
import re

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def start() -> str:
    """A `traceparent` of a new trace."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def accept(header: str | None) -> str:
    """The caller's `traceparent` when it is one, else that of a new trace."""
    return header if header and _TRACEPARENT.fullmatch(header) else start()
