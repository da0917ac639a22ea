"""What was used: calls to language models, their tokens, cost and latency."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict


class Totals(BaseModel):
    """Calls and what they took. Tokens are of calls that were made; those of replies found in our cache
    (`cache_hits`) are in `saved_tokens`. `cached_input_tokens` were served from the provider's cache.
    `cost_micros` is in millionths of a US dollar and includes the most that calls may
    have cost whose reply never came."""

    model_config = ConfigDict(frozen=True)

    calls: int
    failed: int
    cache_hits: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    saved_tokens: int
    cost_micros: int


class ModelUsage(Totals):
    """The usage of one model for one purpose."""

    purpose: str
    model: str
    simulated: bool


class DayUsage(Totals):
    """The usage of one day (UTC)."""

    day: date


class UsageView(BaseModel):
    """Usage in total, by purpose and model (the dearest first), and by day (the newest last; days without
    calls are not listed)."""

    model_config = ConfigDict(frozen=True)

    total: Totals
    by_model: list[ModelUsage]
    by_day: list[DayUsage]


class CallHistory(BaseModel):
    """Percentiles over the recent successful calls of one model for one purpose, cache hits left out.
    Latency is in milliseconds."""

    model_config = ConfigDict(frozen=True)

    purpose: str
    model: str
    calls: int
    input_tokens_p50: float
    input_tokens_p90: float
    output_tokens_p50: float
    output_tokens_p90: float
    latency_ms_p50: float
    latency_ms_p90: float
    latency_ms_p99: float
