"""The simulated model: answers from a request's variables, the same each time, and marks all it says as simulated."""

from __future__ import annotations

import importlib
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from common.llm.port import CallLog, ModelUnavailable, Reply, Request, Usage
from common.llm.prices import estimate_tokens
from common.llm.prompts import Prompts
from common.llm.simulated.embedding import embed_text

MODEL = "simulated-1"

Player = Callable[[Mapping[str, Any], random.Random], dict[str, Any]]
"""Plays the model for one prompt: takes the request's variables and a seeded source of randomness, and
returns data valid for the request's schema (`{"text": ...}` where it has none)."""

PLAYERS: Mapping[str, str] = {
    "answer": "common.llm.simulated.answers:play_answer",
    "answer_discussion": "common.llm.simulated.answers:play_discussion",
    "brief": "common.llm.simulated.personas:play_brief",
    "persona": "common.llm.simulated.personas:play_persona",
    "persona_repair": "common.llm.simulated.personas:play_repair",
    "summary": "common.llm.simulated.analysis:play_summary",
    "summary_part": "common.llm.simulated.analysis:play_part",
    "summary_fold": "common.llm.simulated.analysis:play_fold",
    "summary_merge": "common.llm.simulated.analysis:play_merge",
    "summary_mend": "common.llm.simulated.analysis:play_mend",
}
"""Which function plays which prompt, imported when it is first asked for."""


class SimulatedModel:
    """A `LanguageModel` without a model. The same request always gets the same reply."""

    def __init__(self, prompts: Prompts, *, latency_seconds: float = 0.0) -> None:
        self._prompts = prompts
        self._latency_seconds = latency_seconds

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:  # noqa: ARG002
        """Plays one request. Raises `ModelUnavailable` when the deadline comes before the reply would."""
        started = time.monotonic()
        prompt = self._prompts.render(request)
        played = _player(request.prompt)(request.variables, _randomness(request))
        self._take_time(deadline)
        data = request.schema.model_validate(played) if request.schema else None
        text = data.model_dump_json() if data else str(played["text"])
        return Reply(
            text=text,
            data=data,
            usage=Usage(estimate_tokens(prompt.system) + estimate_tokens(prompt.user), estimate_tokens(text)),
            model=MODEL,
            prompt_hash=prompt.hash,
            simulated=True,
            latency_ms=round((time.monotonic() - started) * 1000),
        )

    def embed(
        self,
        texts: Sequence[str],
        *,
        purpose: str,  # noqa: ARG002
        calls: CallLog,  # noqa: ARG002
        deadline: float,
    ) -> list[list[float]]:
        """Embeds texts so that those which share words are near each other. Raises as `generate` does."""
        self._take_time(deadline)
        return [embed_text(text) for text in texts]

    def _take_time(self, deadline: float) -> None:
        if self._latency_seconds > deadline - time.monotonic():
            raise ModelUnavailable("the simulated model would not reply in time")
        if self._latency_seconds:
            time.sleep(self._latency_seconds)


@cache
def _player(prompt: str) -> Player:
    module, _, name = PLAYERS[prompt].partition(":")
    player: Player = getattr(importlib.import_module(module), name)
    return player


def _randomness(request: Request) -> random.Random:
    variables = json.dumps(request.variables, sort_keys=True, ensure_ascii=False, default=_plain)
    return random.Random(f"{request.seed}\0{request.prompt}\0{variables}")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
