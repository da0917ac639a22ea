"""What a limiter does, whoever shares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

BURST_SECONDS = 5.0
DECREASE = 0.5
INCREASE_PER_SECOND = 1 / 60
LEAST_FACTOR = 0.01
SAME_DECREASE_SECONDS = 1.0
"""Calls turned away within this time of each other were sent at the same rate: they count once."""
NO_WAIT_SECONDS = 0.001
"""Less than this is no wait: instants since 1970 hold microseconds at best."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How much may be asked of one model in a minute. Tokens are those of the input, as Gemini counts them."""

    requests_per_minute: float
    tokens_per_minute: float


class Limiter(Protocol):
    """Reserves places in the stream of calls to a model."""

    def reserve(self, model: str, requests: int, tokens: int, *, patience: float) -> float:
        """How many seconds to wait before making so many requests with so many tokens together.

        Nothing is reserved when that is longer than `patience`. Zero requests ask only whether the model
        takes calls at all at the moment.
        """
        ...

    def turned_away(self, model: str, retry_after: float | None) -> None:
        """Takes note of a 429, and of the seconds it asks to wait."""
        ...
