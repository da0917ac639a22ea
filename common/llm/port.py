"""What Sight asks of a language model, whichever plays it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from common.errors import SightError, Unavailable

EMBEDDING_DIMENSIONS = 768

Tier = Literal["standard", "analysis"]


class ModelUnavailable(Unavailable):
    """The provider failed in a way that passes: 5xx, a timeout, a dropped connection."""

    code = "llm_unavailable"


class Unanswered(ModelUnavailable):
    """The request was sent and no whole reply came: it may have been answered, and is charged as if it had been."""


class RateLimited(ModelUnavailable):
    """The provider or our own limiter says not yet; `retry_after` is in seconds where known."""

    code = "llm_rate_limited"
    not_yet = True


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; `cached_tokens` is the part of the input the provider served from its cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class BadReply(ModelUnavailable):
    """The reply is not what was asked for (truncated, not JSON, not the schema); asking again may help.

    `usage` is what the call cost all the same, None where the reply does not tell.
    """

    code = "llm_bad_reply"
    usage: Usage | None = None


class Refused(SightError):
    """The provider will not answer this request: a safety block, an invalid request, a bad key.

    `usage` is what the call cost all the same.
    """

    code = "llm_refused"
    status = 502
    title = "The model refused"
    usage = Usage()


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of the model.

    `prompt` names a file pair in prompts/ (`answer` -> answer.system.md, answer.user.md) and `variables`
    fill it. The simulated model answers from the variables, a real one from the rendered text. `schema`
    asks for structured output; without it the reply is text. `seed` makes a replay the same.
    """

    purpose: str
    prompt: str
    variables: Mapping[str, Any]
    schema: type[BaseModel] | None
    seed: int
    tier: Tier = "standard"
    temperature: float = 0.9
    max_output_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said. `data` is the parsed structured output (None for text), `cost_micros` is in
    millionths of a US dollar, `prompt_hash` identifies the prompt files, `simulated` marks what no real
    model said, and `cache_hit` what cost nothing because the same request was answered before."""

    text: str
    data: BaseModel | None
    usage: Usage
    model: str
    prompt_hash: str
    simulated: bool
    cost_micros: int = 0
    latency_ms: int = 0
    cache_hit: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """The record of one call to a provider, kept as one row. `outcome` is `ok` or the error's code."""

    purpose: str
    provider: str
    model: str
    prompt_hash: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_micros: int
    latency_ms: int
    cache_hit: bool
    simulated: bool
    outcome: str


class CallLog(Protocol):
    """Collects the calls made for one unit of work, failed ones too, and answers for what they cost."""

    def add(self, call: Call, /) -> None:
        """Adds one call."""
        ...

    def reserve(self, cost_micros: int, /) -> None:
        """Sets aside what the call that comes next may cost at most, in millionths of a US dollar. Raises a
        `SightError` where there is no money for it: it must not be made then."""
        ...


@dataclass(slots=True)
class Calls:
    """The calls made for one unit of work, to be recorded with its result. They may cost anything unless `cover`
    says otherwise: it sees to it that so much may be spent on all of them together, or raises a `SightError`."""

    made: list[Call] = field(default_factory=list)
    cover: Callable[[int], None] | None = None

    def add(self, call: Call, /) -> None:
        """Adds one call."""
        self.made.append(call)

    def reserve(self, cost_micros: int, /) -> None:
        """Covers what the calls so far did cost and the next one may. Raises what `cover` raises."""
        if self.cover is not None:
            self.cover(self.cost_micros + cost_micros)

    @property
    def cost_micros(self) -> int:
        """What they cost together, in millionths of a US dollar."""
        return sum(call.cost_micros for call in self.made)


class LanguageModel(Protocol):
    """A model that generates and embeds. `deadline` is a `time.monotonic()` instant after which the
    caller no longer wants the reply; retries and waiting for the rate limit end before it."""

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers one request. Raises `ModelUnavailable`, `Unanswered`, `RateLimited`, `BadReply` or `Refused`, and
        `ShuttingDown` where the process is to end before there is an answer."""
        ...

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds texts into unit vectors of 768 dimensions, in order. Raises as `generate` does."""
        ...
