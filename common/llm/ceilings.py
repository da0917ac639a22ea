"""The most a call may cost, which is known before it is made: set aside first, and charged where no reply tells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from pydantic import BaseModel

from common.llm.gemini.thinking import thinking
from common.llm.models import Models
from common.llm.port import Request
from common.llm.prices import estimate_cost_micros, estimate_tokens, most_tokens
from common.llm.prompts import Prompts

FORM_TOKENS = 256
"""What the form of a request (roles, turns, the shape of its schema) may add to its texts."""


def of_request(request: Request, models: Models, prompts: Prompts) -> int:
    """The most an answer may cost, in millionths of a US dollar: a token for each byte put in, and all the output
    that it is allowed, thinking included."""
    prompt, model = prompts.render(request), models.of(request.tier)
    put_in = most_tokens(prompt.system) + most_tokens(prompt.user) + _schema_tokens(request.schema) + FORM_TOKENS
    return estimate_cost_micros(model, put_in, request.max_output_tokens + thinking(model, request.tier).room)


def of_texts(texts: Sequence[str], models: Models) -> int:
    """What embedding costs, in millionths of a US dollar: the estimate it is metered by, as the API does not count."""
    return estimate_cost_micros(models.embedding, sum(map(estimate_tokens, texts)), 0)


@lru_cache(maxsize=256)
def _schema_tokens(schema: type[BaseModel] | None) -> int:
    return 0 if schema is None else most_tokens(json.dumps(schema.model_json_schema()))
