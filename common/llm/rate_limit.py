"""Keeps calls within the provider's rate, before they are made and after it turned some away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from common.llm.limits.port import Limiter
from common.llm.models import Models
from common.llm.port import CallLog, LanguageModel, RateLimited, Reply, Request
from common.llm.prices import estimate_tokens
from common.llm.prompts import Prompts


class Limited:
    """Calls the inner model when its limiter says so, and tells the limiter of every 429.

    A call whose turn would come after the deadline is not made: `RateLimited` says when to come back.
    """

    def __init__(
        self,
        inner: LanguageModel,
        limiter: Limiter,
        models: Models,
        prompts: Prompts,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner = inner
        self._limiter = limiter
        self._models = models
        self._prompts = prompts
        self._clock = clock
        self._sleep = sleep

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does, in its turn."""
        prompt = self._prompts.render(request)
        tokens = estimate_tokens(prompt.system) + estimate_tokens(prompt.user)
        with self._turn(self._models.of(request.tier), tokens, deadline):
            return self._inner.generate(request, calls=calls, deadline=deadline)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does, in its turn."""
        with self._turn(self._models.embedding, sum(map(estimate_tokens, texts)), deadline):
            return self._inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)

    @contextmanager
    def _turn(self, model: str, tokens: int, deadline: float) -> Iterator[None]:
        self._await_turn(model, tokens, deadline)
        try:
            yield
        except RateLimited as error:
            self._limiter.turned_away(model, error.retry_after)
            raise

    def _await_turn(self, model: str, tokens: int, deadline: float) -> None:
        requests = 1
        while True:
            patience = deadline - self._clock()
            wait = self._limiter.reserve(model, requests, tokens, patience=patience)
            if wait <= 0.0:
                return
            if wait > patience:
                raise RateLimited(f"the rate limit of {model} leaves no room before the deadline", retry_after=wait)
            self._sleep(wait)
            # Our place is reserved; what remains to ask is whether a 429 stopped everyone meanwhile.
            requests = tokens = 0
