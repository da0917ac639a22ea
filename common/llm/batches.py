"""Splits what is to be embedded into requests of the size the API takes."""

from __future__ import annotations

from collections.abc import Sequence

from common.llm.port import CallLog, LanguageModel, Reply, Request

BATCH_LIMIT = 100
"""The most texts batchEmbedContents takes."""


class Batched:
    """Embeds any number of texts, `limit` in each call of the inner model."""

    def __init__(self, inner: LanguageModel, *, limit: int = BATCH_LIMIT) -> None:
        self._inner = inner
        self._limit = limit

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does."""
        return self._inner.generate(request, calls=calls, deadline=deadline)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), self._limit):
            part = texts[start : start + self._limit]
            vectors += self._inner.embed(part, purpose=purpose, calls=calls, deadline=deadline)
        return vectors
