"""Limits one call, within the time the caller has for all its attempts and the process has left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from common.llm.port import CallLog, LanguageModel, ModelUnavailable, Reply, Request
from common.shutdown import Shutdown

ANALYSIS = 4.0
"""How many times as long an analysis may take: it thinks first, and puts out ten times what others do."""


class Timed:
    """Gives each call of the inner model at most `seconds` (an analysis `ANALYSIS` times that), and none when
    the time is up already. In a process that is to end no call lasts longer than the time left for calls."""

    def __init__(
        self,
        inner: LanguageModel,
        seconds: float,
        shutdown: Shutdown,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._seconds = seconds
        self._shutdown = shutdown
        self._clock = clock

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does. Raises `ModelUnavailable` where no time is left."""
        seconds = self._seconds * (ANALYSIS if request.tier == "analysis" else 1.0)
        return self._inner.generate(request, calls=calls, deadline=self._narrowed(deadline, seconds))

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does. Raises `ModelUnavailable` where no time is left."""
        return self._inner.embed(texts, purpose=purpose, calls=calls, deadline=self._narrowed(deadline, self._seconds))

    def _narrowed(self, deadline: float, seconds: float) -> float:
        now = self._clock()
        latest = min(deadline, self._shutdown.calls_end())
        if now >= latest:
            raise ModelUnavailable("no time was left to call the model")
        return min(latest, now + seconds)
