"""The language model adapter for Gemini."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from google.ai.generativelanguage_v1beta import GenerativeServiceClient
from google.api_core.exceptions import GoogleAPICallError
from pydantic import BaseModel

from common.llm.gemini.connections import ConnectionFailed
from common.llm.gemini.errors import translated
from common.llm.gemini.library import protos
from common.llm.gemini.replies import data_of, text_of, usage_of
from common.llm.gemini.schema import response_schema
from common.llm.gemini.thinking import thinking
from common.llm.gemini.transport import GENERATION_CONFIG, LeanTransport, NotUnderstood
from common.llm.models import Models
from common.llm.port import EMBEDDING_DIMENSIONS, BadReply, CallLog, ModelUnavailable, Reply, Request, Tier, Unanswered
from common.llm.prompts import Prompts

T = TypeVar("T")

ENDPOINT = "https://generativelanguage.googleapis.com"
SEED_LIMIT = 2**31
TASK = protos.TaskType.SEMANTIC_SIMILARITY
GENERATE = protos.GenerateContentRequest.pb()
EMBED = protos.BatchEmbedContentsRequest.pb()
"""The messages without the wrappers around them, which take ten times as long to fill."""


class Gemini:
    """Implements the `LanguageModel` port: each call is one request, without retries or limits of its own."""

    def __init__(self, api_key: str, models: Models, prompts: Prompts, *, endpoint: str | None = None) -> None:
        self._api_key = api_key
        self._models = models
        self._prompts = prompts
        self._transport = LeanTransport(endpoint=(endpoint or ENDPOINT).rstrip("/"), api_key=api_key)
        self._client = GenerativeServiceClient(transport=self._transport)
        self._config = lru_cache(maxsize=256)(self._config_start)

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:  # noqa: ARG002
        """Answers one request. Raises `ModelUnavailable`, `Unanswered`, `RateLimited`, `BadReply` or `Refused`."""
        prompt = self._prompts.render(request)
        model = self._models.of(request.tier)
        config = self._config(request.schema, model, request.tier, request.temperature, request.max_output_tokens)
        message = GENERATE(
            model=f"models/{model}",
            system_instruction={"parts": [{"text": prompt.system}]},
            contents=[{"role": "user", "parts": [{"text": prompt.user}]}],
        )
        response = self._called(
            self._client.generate_content,
            protos.GenerateContentRequest.wrap(message),
            deadline,
            metadata=[(GENERATION_CONFIG, f'{config},"seed":{request.seed % SEED_LIMIT}}}')],
        )
        said = protos.GenerateContentResponse.pb(response)
        text, usage = text_of(said), usage_of(said)
        return Reply(
            text=text,
            data=None if request.schema is None else data_of(text, request.schema, usage),
            usage=usage,
            model=model,
            prompt_hash=prompt.hash,
            simulated=False,
        )

    def embed(
        self,
        texts: Sequence[str],
        *,
        purpose: str,  # noqa: ARG002
        calls: CallLog,  # noqa: ARG002
        deadline: float,
    ) -> list[list[float]]:
        """Embeds at most 100 texts into unit vectors of 768 dimensions. Raises as `generate` does."""
        model = f"models/{self._models.embedding}"
        message = EMBED(
            model=model,
            requests=[
                {
                    "model": model,
                    "content": {"parts": [{"text": text}]},
                    "task_type": TASK,
                    "output_dimensionality": EMBEDDING_DIMENSIONS,
                }
                for text in texts
            ],
        )
        response = self._called(
            self._client.batch_embed_contents, protos.BatchEmbedContentsRequest.wrap(message), deadline
        )
        vectors = [list(each.values) for each in protos.BatchEmbedContentsResponse.pb(response).embeddings]
        if len(vectors) != len(texts):
            raise BadReply(f"Gemini embedded {len(vectors)} of {len(texts)} texts")
        return [_unit(vector) for vector in vectors]

    def interrupt(self) -> None:
        """Breaks off the calls under way: each raises `Unanswered` in its thread."""
        self._transport.interrupt()

    def close(self) -> None:
        """Closes idle connections."""
        self._transport.close()

    def _called(self, method: Callable[..., T], message: Any, deadline: float, **options: Any) -> T:
        try:
            return method(message, retry=None, timeout=max(0.001, deadline - time.monotonic()), **options)
        except GoogleAPICallError as error:
            raise translated(error, api_key=self._api_key) from None
        except ConnectionFailed as error:
            if error.sent:
                raise Unanswered(f"Gemini did not answer: {error}") from error
            raise ModelUnavailable(f"Gemini could not be reached: {error}") from error
        except NotUnderstood as error:
            raise BadReply("Gemini's reply is not what its API answers") from error

    def _config_start(
        self, schema: type[BaseModel] | None, model: str, tier: Tier, temperature: float, max_output_tokens: int
    ) -> str:
        """The JSON of `generationConfig` but for its end: all of it save the seed is the same for many calls."""
        allowance = thinking(model, tier)
        config: dict[str, Any] = {"temperature": temperature, "maxOutputTokens": max_output_tokens + allowance.room}
        if allowance.budget is not None:
            config["thinkingConfig"] = {"thinkingBudget": allowance.budget}
        if schema is not None:
            config["responseMimeType"] = "application/json"
            config["responseSchema"] = response_schema(schema)
        return json.dumps(config, ensure_ascii=False, separators=(",", ":"))[:-1]


def _unit(vector: list[float]) -> list[float]:
    """A vector at unit length: the API normalises only the full 3072 dimensions."""
    length = math.sqrt(math.fsum(value * value for value in vector))
    if len(vector) != EMBEDDING_DIMENSIONS or length == 0.0:
        raise BadReply(f"Gemini's embedding has {len(vector)} dimensions and length {length}")
    return [value / length for value in vector]
