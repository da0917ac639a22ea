"""A language model that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import SightError
from common.llm.port import Call, CallLog, Reply, Request, Usage

Says = Callable[[Request], dict[str, Any] | SightError]
"""Answers a request with the data of its schema, or an error to raise."""


@dataclass
class ScriptedModel:
    """Answers each prompt as told to, and keeps what it was asked. Each call costs `cost_micros`."""

    says: dict[str, Says]
    cost_micros: int = 0
    asked: list[Request] = field(default_factory=list)

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Replies with the data of the prompt's script."""
        self.asked.append(request)
        said = self.says[request.prompt](request)
        outcome = said.code if isinstance(said, SightError) else "ok"
        calls.add(
            Call(request.purpose, "scripted", "scripted-1", "hash", 10, 5, 0, self.cost_micros, 1, False, True, outcome)
        )
        if isinstance(said, SightError):
            raise said
        assert request.schema is not None
        data = request.schema.model_validate(said)
        return Reply(
            text=data.model_dump_json(),
            data=data,
            usage=Usage(10, 5),
            model="scripted-1",
            prompt_hash="hash",
            simulated=True,
            cost_micros=self.cost_micros,
        )

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Scripts do not embed."""
        raise NotImplementedError

    def prompts(self) -> list[str]:
        """The prompts asked for, in order."""
        return [request.prompt for request in self.asked]
