"""Identifiers: time-ordered for what a request creates, derived for what a job makes."""

from __future__ import annotations

import os
import time
from uuid import UUID, uuid5


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562): its first 48 bits are the time in milliseconds, so that index pages
    fill in order and a listing by id is a listing by age."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def item_id(job_id: UUID, position: int) -> UUID:
    """The id of a job's item, and of the persona or answer it makes: the same however often it is made."""
    return uuid5(job_id, str(position))
