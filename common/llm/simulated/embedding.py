"""Embeddings without a model: hashed words and parts of words.

The hashing trick of Weinberger et al. 2009, "Feature hashing for large scale multitask learning": each
feature adds its weight, with a sign, at a place that its hash gives. Texts that share words are near each
other, those that share stems a little less; meaning is beyond it.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from functools import lru_cache

from common.llm.port import EMBEDDING_DIMENSIONS

WORD = re.compile(r"\w+")
SHORT = 3
"""Words of at most this many characters carry grammar rather than matter, and count for nothing."""
GRAM = 4
GRAM_WEIGHT = 0.8


def embed_text(text: str) -> list[float]:
    """A unit vector of 768 dimensions; a word counts less the more often it is repeated."""
    vector = [0.0] * EMBEDDING_DIMENSIONS
    for word, count in Counter(WORD.findall(text.casefold())).items():
        if len(word) <= SHORT:
            continue
        weight = 1 + math.log(count)
        for place, share in _features(word):
            vector[place] += weight * share
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:
        vector[zlib.crc32(text.encode()) % EMBEDDING_DIMENSIONS] = 1.0
        return vector
    return [value / length for value in vector]


@lru_cache(maxsize=50_000)
def _features(word: str) -> tuple[tuple[int, float], ...]:
    framed = f"<{word}>"
    grams = {framed[start : start + GRAM] for start in range(len(framed) - GRAM + 1)}
    return (_placed(word, 1.0), *(_placed(gram, GRAM_WEIGHT / math.sqrt(len(grams))) for gram in sorted(grams)))


def _placed(feature: str, weight: float) -> tuple[int, float]:
    hashed = zlib.crc32(feature.encode())
    return hashed % EMBEDDING_DIMENSIONS, weight if hashed & 0x8000_0000 else -weight
