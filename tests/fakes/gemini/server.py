"""A fake of the Gemini API on the wire: generateContent, embedContent, batchEmbedContents, and a control endpoint."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fakes.gemini import answers, embeddings, replies
from tests.fakes.gemini.behaviour import Behaviour
from tests.fakes.gemini.http import Connection, HttpReply, HttpRequest

KEPT_REQUESTS = 200
CHARACTERS_PER_TOKEN = 4
CACHEABLE_TOKENS = 1024
DEFAULT_THOUGHTS = 64
DEFAULT_MAX_TOKENS = 65_536
BATCH_LIMIT = 100
GENERATE, EMBED, BATCH = "generateContent", "embedContent", "batchEmbedContents"


class BadRequest(ValueError):
    """What the API answers 400 to."""


@dataclass
class Counters:
    """What was asked so far. `duplicates` counts requests identical to an earlier one, `answered_again`
    those of them whose earlier one had been answered well."""

    calls: int = 0
    duplicates: int = 0
    answered_again: int = 0
    in_flight: int = 0
    max_concurrency: int = 0
    endpoints: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


class Gemini:
    """The server's state; `connection` makes the protocol of a new connection."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.counters = Counters()
        self.reset()

    def reset(self) -> None:
        """Forgets what was asked."""
        self.counters = Counters(in_flight=self.counters.in_flight)
        self._seen: dict[bytes, int] = {}
        self._answered: set[bytes] = set()
        self._prefixes: set[str] = set()
        self._kept: deque[tuple[str, bytes]] = deque(maxlen=KEPT_REQUESTS)
        self._allowance, self._filled_at = 0.0, 0.0

    def connection(self) -> Connection:
        """The protocol of one connection."""
        return Connection(self.handle, self._done)

    def handle(self, request: HttpRequest) -> HttpReply:
        """Answers one request of either kind."""
        self.counters.in_flight += 1
        if request.path.startswith("/control"):
            return self._control(request)
        counters = self.counters
        counters.max_concurrency = max(counters.max_concurrency, counters.in_flight)
        counters.calls += 1
        self._kept.append((request.path, request.body))
        digest = hashlib.blake2b(request.body, digest_size=16, salt=request.path.encode()[-16:]).digest()
        seen = self._seen.get(digest, 0)
        self._seen[digest] = seen + 1
        counters.duplicates += seen > 0
        counters.answered_again += digest in self._answered
        reply, outcome = self._answer(request, digest, seen)
        counters.outcomes[outcome] += 1
        if outcome == "ok":
            self._answered.add(digest)
        if reply.delay == 0.0:
            reply.delay = self.behaviour.delay(digest, seen)
        return reply

    def _done(self) -> None:
        self.counters.in_flight -= 1

    def _answer(self, request: HttpRequest, digest: bytes, seen: int) -> tuple[HttpReply, str]:
        path, _, endpoint = request.path.partition("?")[0].rpartition(":")
        if not path.startswith("/v1beta/models/") or endpoint not in (GENERATE, EMBED, BATCH):
            return _failed(404, f"There is no {request.path}"), "not_found"
        self.counters.endpoints[endpoint] += 1
        if not request.header(b"x-goog-api-key") and "key=" not in request.path:
            return _failed(403, "Method doesn't allow unregistered callers."), "no_key"
        if not self._within_quota():
            return self._limited(), "rate_limited"
        model = path.removeprefix("/v1beta/models/")
        try:
            body = json.loads(request.body)
        except ValueError:
            return _failed(400, "Invalid JSON payload received."), "bad_request"
        try:
            if endpoint != GENERATE:
                mode = self.behaviour.mode_of(digest, seen)
                failure = self._failure(mode, model)
                return (failure, mode) if failure else (_ok(_embed(body, batch=endpoint == BATCH)), "ok")
            if self.behaviour.script:
                entry = self.behaviour.script.pop(0)
                return self._scripted(entry, model, body, digest), entry.get("mode", "scripted")
            mode = self.behaviour.mode_of(digest, seen)
            return self._failure(mode, model) or _ok(self._generate(body, model, digest, mode)), mode
        except (BadRequest, answers.UnknownField) as error:
            return _failed(400, str(error)), "bad_request"

    def _scripted(self, entry: dict[str, Any], model: str, body: dict[str, Any], digest: bytes) -> HttpReply:
        if "status" in entry:
            raw = entry.get("body", {})
            return HttpReply(
                entry["status"], raw.encode() if isinstance(raw, str) else replies.dump(raw), entry.get("headers", {})
            )
        mode = entry.get("mode", "ok")
        text = entry.get("text", replies.written(entry["data"]) if "data" in entry else None)
        return self._failure(mode, model) or _ok(self._generate(body, model, digest, mode, text=text))

    def _failure(self, mode: str, model: str) -> HttpReply | None:
        """The reply of the modes that fail before the model says anything."""
        match mode:
            case "rate_limited":
                return self._limited()
            case "internal":
                return _failed(500, "An internal error has occurred. Please retry or report it.")
            case "unavailable":
                return _failed(503, "The model is overloaded. Please try again later.")
            case "bad_request":
                return _failed(400, "Request contains an invalid argument.")
            case "bad_key":
                return HttpReply(400, replies.bad_key(), {})
            case "forbidden":
                return _failed(403, "The caller does not have permission.")
            case "no_model":
                return _failed(404, f"models/{model} is not found for API version v1beta.")
            case "not_json":
                return HttpReply(200, b"<html><body>upstream connect error</body></html>", {})
            case "hang":
                return HttpReply(504, b"", {}, delay=None)
            case "dropped":
                return HttpReply(200, b"", {}, cut=True)
            case "cut":
                return HttpReply(200, b'{"candidates": [{"content": {"parts": [' + b" " * 512, {}, cut=True)
        return None

    def _limited(self) -> HttpReply:
        seconds = self.behaviour.retry_after
        return HttpReply(429, replies.quota_exceeded(seconds), {"Retry-After": f"{seconds:g}"})

    def _generate(
        self, body: dict[str, Any], model: str, digest: bytes, mode: str, *, text: str | None = None
    ) -> dict[str, Any]:
        """The body of a call that reached the model."""
        config = _either(body, "generationConfig", "generation_config", {})
        system = _text(_either(body, "systemInstruction", "system_instruction", {}))
        contents = body.get("contents") or []
        if not contents:
            raise BadRequest("* GenerateContentRequest.contents: contents is not specified")
        prompt = sum(len(_text(content)) for content in contents) // CHARACTERS_PER_TOKEN
        prefix = len(system) // CHARACTERS_PER_TOKEN
        cached = prefix if prefix >= CACHEABLE_TOKENS and system in self._prefixes else 0
        self._prefixes.add(system)
        prompt += prefix
        response_id = digest.hex()[:22]
        if mode == "blocked_prompt":
            return replies.no_candidates(model, replies.usage(prompt, 0), block_reason="PROHIBITED_CONTENT")
        if mode == "empty":
            return replies.no_candidates(model, replies.usage(prompt, 0))
        if mode in ("safety", "recitation"):
            counted = replies.usage(prompt, 0, cached=cached)
            return replies.answer(model, None, mode.upper(), counted, response_id)
        answer = text if text is not None else self._text_for(config, digest, mode)
        thoughts = _thoughts(config, model)
        allowed = int(_either(config, "maxOutputTokens", "max_output_tokens", DEFAULT_MAX_TOKENS)) - thoughts
        finish = "STOP"
        if mode == "max_tokens" or len(answer) // CHARACTERS_PER_TOKEN > allowed:
            finish = "MAX_TOKENS"
            kept = max(0, min(allowed * CHARACTERS_PER_TOKEN, len(answer) * 2 // 3))
            answer = answer[:kept]
        counted = replies.usage(prompt, max(1, len(answer) // CHARACTERS_PER_TOKEN), thoughts=thoughts, cached=cached)
        return replies.answer(model, answer or None, finish, counted, response_id)

    def _text_for(self, config: dict[str, Any], digest: bytes, mode: str) -> str:
        random = Random(int.from_bytes(digest[:8]))
        schema = _either(config, "responseSchema", "response_schema", None)
        if schema is None:
            return answers.text(random, sentences=random.randint(2, 6))
        value = answers.maker(schema)(random, self.behaviour.overlay)
        if mode == "wrong_schema":
            value = {"unexpected": value}
        answer = replies.written(value)
        if mode == "truncated":
            return answer[: len(answer) * 2 // 3]
        return answer.replace('":', '" =>', 1) if mode == "malformed" else answer

    def _within_quota(self) -> bool:
        limit = self.behaviour.limit_per_second
        if limit is None:
            return True
        now = time.monotonic()
        self._allowance = min(limit, self._allowance + (now - self._filled_at) * limit)
        self._filled_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _control(self, request: HttpRequest) -> HttpReply:
        if request.method == "GET" and request.path == "/control":
            counters = vars(self.counters) | {"in_flight": self.counters.in_flight - 1}
            return _ok(counters)
        if request.method == "GET" and request.path == "/control/requests":
            return _ok([{"path": path, "body": json.loads(body)} for path, body in self._kept])
        settings = json.loads(request.body or b"{}")
        if settings.pop("reset", False):
            self.reset()
            self.behaviour = Behaviour()
        try:
            self.behaviour.change(settings)
        except ValueError as error:
            return _failed(400, str(error))
        return _ok(vars(self.behaviour))


async def serve(gemini: Gemini, host: str, port: int) -> asyncio.Server:
    """Listens; port 0 takes a free one."""
    return await asyncio.get_running_loop().create_server(gemini.connection, host, port, backlog=2048)


def _embed(body: dict[str, Any], *, batch: bool) -> bytes:
    requests = body.get("requests") or [] if batch else [body]
    if not 0 < len(requests) <= BATCH_LIMIT:
        raise BadRequest(f"* BatchEmbedContentsRequest.requests: at most {BATCH_LIMIT} requests can be in one batch")
    vectors = []
    for each in requests:
        dimensions = int(_either(each, "outputDimensionality", "output_dimensionality", 0) or embeddings.FULL)
        vectors.append(f'{{"values":[{embeddings.values(_text(each.get("content") or {}), dimensions)}]}}')
    return (f'{{"embeddings":[{",".join(vectors)}]}}' if batch else f'{{"embedding":{vectors[0]}}}').encode()


def _thoughts(config: dict[str, Any], model: str) -> int:
    """Tokens spent on thinking, which 2.5 models do unless told otherwise; 2.5-pro cannot do without."""
    thinking = _either(config, "thinkingConfig", "thinking_config", {})
    budget = int(_either(thinking, "thinkingBudget", "thinking_budget", -1))
    if "2.5-pro" in model and budget == 0:
        raise BadRequest("Budget 0 is invalid. This model only works in thinking mode.")
    if "2.5" not in model:
        return 0
    return DEFAULT_THOUGHTS if budget < 0 else min(budget, DEFAULT_THOUGHTS)


def _text(content: dict[str, Any]) -> str:
    parts = content.get("parts") or ()
    if isinstance(parts, dict):
        parts = (parts,)
    return "".join(part.get("text", "") for part in parts)


def _either(body: dict[str, Any], camel: str, snake: str, default: Any) -> Any:
    return body[camel] if camel in body else body.get(snake, default)


def _ok(body: Any) -> HttpReply:
    return HttpReply(200, body if isinstance(body, bytes) else replies.dump(body), {})


def _failed(status: int, message: str) -> HttpReply:
    return HttpReply(status, replies.error(status, message), {})
