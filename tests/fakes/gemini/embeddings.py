"""Makes up embeddings in which texts that share words are near each other."""

from __future__ import annotations

import re
import zlib
from random import Random

FULL = 3072
WORD = re.compile(r"\w+")
FEATURES_PER_WORD = 6

_random = Random(20260101)
_NOISE = [_random.gauss(0.0, 0.002) for _ in range(FULL)]
_NOISE_TEXT = [f"{value:.7g}" for value in _NOISE]


def values(text: str, dimensions: int) -> str:
    """The values of a text's embedding as the inside of a JSON list.

    As with gemini-embedding-001 only the full 3072 dimensions are of unit length, so that whoever
    does not renormalise shorter ones is found out.
    """
    added: dict[int, float] = {}
    for word in WORD.findall(text.lower()):
        seed = zlib.crc32(word.encode())
        for feature in range(FEATURES_PER_WORD):
            mixed = zlib.crc32(bytes([feature]), seed)
            place = mixed % dimensions
            added[place] = added.get(place, 0.0) + (0.1 if mixed & 0x10000 else -0.1)
    for place, value in added.items():
        added[place] = value + _NOISE[place]
    if dimensions == FULL:
        length = sum((added.get(place, noise)) ** 2 for place, noise in enumerate(_NOISE)) ** 0.5
        return ",".join(f"{added.get(place, noise) / length:.7g}" for place, noise in enumerate(_NOISE))
    parts = _NOISE_TEXT[:dimensions]
    for place, value in added.items():
        parts[place] = f"{value:.7g}"
    return ",".join(parts)
