"""Answers an identical request from the reply kept of the first one."""

from __future__ import annotations

import hashlib
import json
import time
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache

from pydantic import BaseModel, ValidationError

from common.cache.port import Cache
from common.llm.metering import EMBEDDING_PROMPT, OK
from common.llm.models import Models
from common.llm.port import EMBEDDING_DIMENSIONS, Call, CallLog, LanguageModel, Reply, Request, Usage
from common.llm.prices import estimate_tokens
from common.llm.prompts import Prompts

VERSION = b"1"
"""Part of every key: raised when what is kept changes its form."""


class Cached:
    """Keeps good replies of the inner model under the hash of everything they depend on, for `ttl` seconds.

    A hit is recorded as a call that cost nothing. With the cache down every request is a miss.
    """

    def __init__(
        self,
        inner: LanguageModel,
        cache: Cache,
        models: Models,
        prompts: Prompts,
        *,
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._cache = cache
        self._models = models
        self._prompts = prompts
        self._ttl = ttl
        self._clock = clock

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers from the cache, or as the inner model does."""
        start = self._clock()
        key = self._reply_key(request)
        kept = self._cache.get(key)
        hit = None if kept is None else _load(kept, request, self._models, round((self._clock() - start) * 1000))
        if hit is not None:
            calls.add(self._hit(request.purpose, hit.model, hit.prompt_hash, hit.usage, hit.latency_ms))
            return hit
        reply = self._inner.generate(request, calls=calls, deadline=deadline)
        self._cache.set(key, _dump(reply), ttl=self._ttl)
        return reply

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds the texts whose vectors are not kept as the inner model does, each text once."""
        start = self._clock()
        keys = {text: self._vector_key(text) for text in texts}
        vectors = {
            text: array("d", kept).tolist()
            for text, kept in zip(keys, self._cache.get_many(list(keys.values())), strict=True)
            if kept is not None and len(kept) == EMBEDDING_DIMENSIONS * array("d").itemsize
        }
        if vectors:
            usage = Usage(input_tokens=sum(map(estimate_tokens, vectors)))
            latency_ms = round((self._clock() - start) * 1000)
            calls.add(self._hit(purpose, self._models.embedding, EMBEDDING_PROMPT, usage, latency_ms))
        missing = [text for text in keys if text not in vectors]
        if missing:
            made = self._inner.embed(missing, purpose=purpose, calls=calls, deadline=deadline)
            vectors.update(zip(missing, made, strict=True))
            self._cache.set_many({keys[text]: array("d", vectors[text]).tobytes() for text in missing}, ttl=self._ttl)
        return [vectors[text] for text in texts]

    def _reply_key(self, request: Request) -> str:
        prompt = self._prompts.render(request)
        parameters = (
            f"{self._models.provider}\0{self._models.of(request.tier)}\0{_schema_hash(request.schema)}\0{request.seed}"
            f"\0{request.temperature}\0{request.max_output_tokens}"
        )
        return "llm:reply:" + _digest(parameters, prompt.system, prompt.user)

    def _vector_key(self, text: str) -> str:
        return "llm:vector:" + _digest(self._models.provider, self._models.embedding, text)

    def _hit(self, purpose: str, model: str, prompt_hash: str, usage: Usage, latency_ms: int) -> Call:
        return Call(
            purpose=purpose,
            provider=self._models.provider,
            model=model,
            prompt_hash=prompt_hash,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cost_micros=0,
            latency_ms=latency_ms,
            cache_hit=True,
            simulated=self._models.simulated,
            outcome=OK,
        )


def _digest(*parts: str) -> str:
    digest = hashlib.sha256(VERSION)
    for part in parts:
        content = part.encode()
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _schema_hash(schema: type[BaseModel] | None) -> str:
    return "" if schema is None else _digest(json.dumps(schema.model_json_schema(), sort_keys=True))


def _dump(reply: Reply) -> bytes:
    usage = reply.usage
    kept = {
        "text": reply.text,
        "data": None if reply.data is None else reply.data.model_dump_json(),
        "tokens": [usage.input_tokens, usage.output_tokens, usage.cached_tokens],
        "model": reply.model,
        "prompt_hash": reply.prompt_hash,
    }
    return json.dumps(kept, ensure_ascii=False).encode()


def _load(kept: bytes, request: Request, models: Models, latency_ms: int) -> Reply | None:
    """The reply kept, or None where it is damaged or no longer fits."""
    try:
        fields = json.loads(kept)
        return Reply(
            text=fields["text"],
            data=None if request.schema is None else request.schema.model_validate_json(fields["data"]),
            usage=Usage(*fields["tokens"]),
            model=fields["model"],
            prompt_hash=fields["prompt_hash"],
            simulated=models.simulated,
            latency_ms=latency_ms,
            cache_hit=True,
        )
    except (ValueError, ValidationError, KeyError, TypeError):
        return None
