"""Sets aside what a call may cost at most, before each call, so that none is made that cannot be paid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from pydantic import BaseModel

from common.llm.gemini.thinking import thinking
from common.llm.models import Models
from common.llm.port import CallLog, LanguageModel, Reply, Request
from common.llm.prices import estimate_cost_micros, estimate_tokens, most_tokens
from common.llm.prompts import Prompts

FORM_TOKENS = 256
"""What the form of a request (roles, turns, the shape of its schema) may add to its texts."""


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
        calls.reserve(self._most(request))
        return self._inner.generate(request, calls=calls, deadline=deadline)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does. Raises what `CallLog.reserve` raises."""
        # Metered by the same estimate, since the API does not count them.
        calls.reserve(estimate_cost_micros(self._models.embedding, sum(map(estimate_tokens, texts)), 0))
        return self._inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)

    def _most(self, request: Request) -> int:
        """The most a call may cost, in millionths of a US dollar: a token for each byte put in, and all the output
        that it is allowed, thinking included."""
        prompt, model = self._prompts.render(request), self._models.of(request.tier)
        put_in = most_tokens(prompt.system) + most_tokens(prompt.user) + _schema_tokens(request.schema) + FORM_TOKENS
        return estimate_cost_micros(model, put_in, request.max_output_tokens + thinking(model, request.tier).room)


@lru_cache(maxsize=256)
def _schema_tokens(schema: type[BaseModel] | None) -> int:
    return 0 if schema is None else most_tokens(json.dumps(schema.model_json_schema()))
