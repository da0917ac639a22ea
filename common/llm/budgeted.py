"""Sets aside what a call may cost at most, before each call, so that none is made that cannot be paid."""

from __future__ import annotations

from collections.abc import Sequence

from common.llm import ceilings
from common.llm.models import Models
from common.llm.port import CallLog, LanguageModel, Reply, Request
from common.llm.prompts import Prompts


class Budgeted:
    """Calls the inner model once the caller's log has set aside the most that the call may cost.

    It stands inside the retries and the cache: every attempt is paid for, and a reply found costs nothing.
    """

    def __init__(self, inner: LanguageModel, models: Models, prompts: Prompts) -> None:
        self._inner = inner
        self._models = models
        self._prompts = prompts

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does. Raises what `CallLog.reserve` raises."""
        calls.reserve(ceilings.of_request(request, self._models, self._prompts))
        return self._inner.generate(request, calls=calls, deadline=deadline)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does. Raises what `CallLog.reserve` raises."""
        calls.reserve(ceilings.of_texts(texts, self._models))
        return self._inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)
