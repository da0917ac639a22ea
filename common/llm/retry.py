"""Tries again what may pass, within the caller's time; what does not fit is left to the bus to deliver again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from common.llm.port import BadReply, CallLog, LanguageModel, ModelUnavailable, Reply, Request
from common.shutdown import Shutdown

T = TypeVar("T")

log = structlog.get_logger()

ATTEMPTS = 4
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 20.0
SEED_LIMIT = 2**31


class Retrying:
    """Repeats calls of the inner model that end in `ModelUnavailable`.

    It waits as long as the server asks, or exponentially longer, with jitter, and it gives up when the
    next attempt would come after the deadline: the error then says in `retry_after` how long to wait. In a
    process that is to end it neither waits nor tries again, and raises `ShuttingDown`.
    """

    def __init__(
        self,
        inner: LanguageModel,
        shutdown: Shutdown,
        *,
        attempts: int = ATTEMPTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._shutdown = shutdown
        self._attempts = attempts
        self._clock = clock

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does. A bad reply is asked for again with another seed, since the
        same one would tend to the same reply; which one follows from the first, so that it replays."""
        asked = request

        def attempt() -> Reply:
            nonlocal asked
            try:
                return self._inner.generate(asked, calls=calls, deadline=deadline)
            except BadReply:
                asked = replace(asked, seed=(asked.seed * 31 + 1) % SEED_LIMIT)
                raise

        return self._within(deadline, attempt)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does."""
        return self._within(deadline, lambda: self._inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline))

    def _within(self, deadline: float, action: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return action()
            except ModelUnavailable as error:
                self._shutdown.check()
                failures += 1
                seconds = error.retry_after = wait_seconds(failures, error.retry_after)
                if failures >= self._attempts or self._clock() + seconds >= deadline:
                    raise
                log.warning("call_repeated", code=error.code, failures=failures, wait=round(seconds, 3))
            self._shutdown.sleep(seconds)


def wait_seconds(failures: int, retry_after: float | None) -> float:
    """How long to wait after so many failures. Where the server says how long, a little more, at random,
    so that those it turned away do not come back as one."""
    if retry_after is not None:
        return retry_after + random.uniform(0.0, 0.25 * min(retry_after, 4.0) + 0.05)
    return min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)
