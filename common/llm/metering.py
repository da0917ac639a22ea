"""Records every call to a provider: its tokens, cost, latency and outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from common.errors import SightError
from common.llm import ceilings
from common.llm.models import Models
from common.llm.port import BadReply, Call, CallLog, LanguageModel, Refused, Reply, Request, Unanswered, Usage
from common.llm.prices import cost_micros, estimate_tokens
from common.llm.prompts import Prompts

OK = "ok"
EMBEDDING_PROMPT = "embedding"
"""What stands in place of a prompt's hash where there is no prompt."""


class Metered:
    """Adds one `Call` to the caller's log for each call of the inner model, whether it succeeds or not."""

    def __init__(
        self,
        inner: LanguageModel,
        models: Models,
        prompts: Prompts,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._models = models
        self._prompts = prompts
        self._clock = clock

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does; the reply carries its cost and latency."""
        model = self._models.of(request.tier)
        record = _Record(request.purpose, model, self._prompts.hash(request.prompt), self._models, calls)
        most = partial(ceilings.of_request, request, self._models, self._prompts)
        start = self._clock()
        try:
            reply = self._inner.generate(request, calls=calls, deadline=deadline)
        except SightError as error:
            record.add(_spent(error), self._since(start), error.code, most)
            raise
        latency_ms = self._since(start)
        cost = record.add(_told(reply.usage, said=True), latency_ms, OK, most)
        return replace(reply, cost_micros=cost, latency_ms=latency_ms)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does. The API does not count the tokens of embeddings: they are estimated."""
        record = _Record(purpose, self._models.embedding, EMBEDDING_PROMPT, self._models, calls)
        most = partial(ceilings.of_texts, texts, self._models)
        start = self._clock()
        try:
            vectors = self._inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)
        except SightError as error:
            record.add(_spent(error), self._since(start), error.code, most)
            raise
        record.add(Usage(input_tokens=sum(map(estimate_tokens, texts))), self._since(start), OK, most)
        return vectors

    def _since(self, start: float) -> int:
        return round((self._clock() - start) * 1000)


class _Record:
    """What is known of a call before it is made."""

    def __init__(self, purpose: str, model: str, prompt_hash: str, models: Models, calls: CallLog) -> None:
        self._known: dict[str, Any] = {
            "purpose": purpose,
            "provider": models.provider,
            "model": model,
            "prompt_hash": prompt_hash,
            "cache_hit": False,
            "simulated": models.simulated,
        }
        self._calls = calls

    def add(self, usage: Usage | None, latency_ms: int, outcome: str, most: Callable[[], int]) -> int:
        """Adds the call and returns its cost, in millionths of a US dollar: the `most` that it may be where nobody can
        say what was used, since a call that was taken for free could be made again and again, past any budget."""
        if self._known["simulated"]:
            cost = 0
        elif usage is None:
            cost = most()
        else:
            cost = cost_micros(self._known["model"], usage)
        counted = usage or Usage()
        self._calls.add(
            Call(
                **self._known,
                input_tokens=counted.input_tokens,
                output_tokens=counted.output_tokens,
                cached_tokens=counted.cached_tokens,
                cost_micros=cost,
                latency_ms=latency_ms,
                outcome=outcome,
            )
        )
        return cost


def _spent(error: SightError) -> Usage | None:
    """What a call spent that ended so, None where nobody can say. What the API turned away, it did not do."""
    if isinstance(error, Unanswered):
        return None
    if isinstance(error, BadReply):
        return _told(error.usage)
    return error.usage if isinstance(error, Refused) else Usage()


def _told(usage: Usage | None, *, said: bool = False) -> Usage | None:
    """The tokens of a reply, None where it does not tell: none is made of no tokens, and none that `said` something
    of no output."""
    untold = usage is None or usage == Usage() or (said and not usage.output_tokens)
    return None if untold else usage
