"""Renders a prompt once for all the layers that look at it."""

from __future__ import annotations

from collections.abc import Sequence

from common.llm.port import CallLog, LanguageModel, Reply, Request
from common.llm.prompts import Prompts


class RenderedOnce:
    """Hands the inner model each request with its prompt rendered. Raises `PromptBroken` where that fails."""

    def __init__(self, inner: LanguageModel, prompts: Prompts) -> None:
        self._inner = inner
        self._prompts = prompts

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does."""
        return self._inner.generate(self._prompts.rendered(request), calls=calls, deadline=deadline)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does."""
        return self._inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)
