"""Derives from a job's seed what each seat draws with, so that a seat's luck does not hang on its neighbours'."""

from __future__ import annotations

import hashlib
import random


def derived_seed(*parts: object) -> int:
    """A seed (31 bits, which every provider takes) that these parts alone decide."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def randomness(*parts: object) -> random.Random:
    """A source of randomness that these parts alone decide."""
    return random.Random("\0".join(map(str, parts)))
