"""Text from outside, made fit to be kept."""

from __future__ import annotations

from typing import Any

_UNSTORABLE = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}
"""What Postgres refuses in text and jsonb: NUL, and surrogates that stand alone."""


def storable(value: Any) -> Any:
    """A value as JSON has it, with every character that cannot be stored replaced by U+FFFD."""
    if isinstance(value, str):
        return value.translate(_UNSTORABLE)
    if isinstance(value, list):
        return [storable(entry) for entry in value]
    if isinstance(value, dict):
        return {storable(key): storable(entry) for key, entry in value.items()}
    return value
