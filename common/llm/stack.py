"""Puts the pieces around a language model adapter together."""

from __future__ import annotations

from redis import Redis

from common.cache.breaker import Breaker
from common.cache.port import Cache
from common.llm.batches import Batched
from common.llm.budgeted import Budgeted
from common.llm.cached import Cached
from common.llm.limits.local import LocalLimiter
from common.llm.limits.port import Limiter, Rates
from common.llm.limits.shared import SharedLimiter
from common.llm.metering import Metered
from common.llm.models import Models
from common.llm.port import LanguageModel
from common.llm.prices import require_price
from common.llm.prompts import Prompts
from common.llm.rate_limit import Limited
from common.llm.rendering import RenderedOnce
from common.llm.retry import Retrying
from common.llm.timeouts import Timed
from common.shutdown import Shutdown


def build(
    adapter: LanguageModel,
    *,
    models: Models,
    prompts: Prompts,
    limiter: Limiter,
    cache: Cache,
    cache_seconds: float,
    call_seconds: float,
    shutdown: Shutdown,
) -> LanguageModel:
    """The adapter with everything around it, outermost last: meter, budget, time limit, rate limit, retries,
    batches, cache (none with `cache_seconds` 0), prompts. Its calls raise `ShuttingDown` where they would have
    to wait or try again after `shutdown` has begun. Raises `UnknownModel` for a model without a price.
    """
    if not models.simulated:
        for model in (models.standard, models.analysis, models.embedding):
            require_price(model)
    metered = Metered(adapter, models, prompts)
    budgeted = metered if models.simulated else Budgeted(metered, models, prompts)
    timed = Timed(budgeted, call_seconds, shutdown)
    limited = Limited(timed, limiter, models, prompts, sleep=shutdown.sleep)
    batched = Batched(Retrying(limited, shutdown))
    cached = Cached(batched, cache, models, prompts, ttl=cache_seconds) if cache_seconds > 0 else batched
    return RenderedOnce(cached, prompts)


def limiter(rates: Rates, *, redis: Redis | None = None, breaker: Breaker | None = None, processes: int = 1) -> Limiter:
    """The limiter all `processes` share through Redis, or one for this process alone where there is no Redis."""
    if redis is None or breaker is None:
        return LocalLimiter(rates)
    return SharedLimiter(redis, breaker, rates, processes=processes)
