"""Ids, which callers give and get as text."""

from __future__ import annotations

from uuid import UUID


def is_id(text: str) -> bool:
    """Whether the text is an id, as opposed to a name."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
