"""What models cost: the one table of prices, and the arithmetic on it."""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import SightError
from common.llm.port import Usage

SOURCE = "https://ai.google.dev/gemini-api/docs/pricing"
PRICES_OF = "2026-03-01"
"""The day the table stands for; paid tier, standard (not batch) requests, text."""

CHARACTERS_PER_TOKEN = 4
"""For estimates: https://ai.google.dev/gemini-api/docs/tokens."""

MICROS_PER_DOLLAR = 1_000_000


class UnknownModel(SightError):
    """There is no price for a model, so that what it spends could not be counted."""

    code = "llm_unknown_model"
    title = "Unknown model"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens. Thinking is charged as output. `above` is the length of the input, in
    tokens, above which `long` holds for the whole call."""

    input: float
    output: float
    cached_input: float
    above: int | None = None
    long: Price | None = None


PRICES = {
    "gemini-2.5-flash": Price(input=0.30, output=2.50, cached_input=0.03),
    "gemini-2.5-pro": Price(
        input=1.25,
        output=10.00,
        cached_input=0.125,
        above=200_000,
        long=Price(input=2.50, output=15.00, cached_input=0.25),
    ),
    "gemini-embedding-001": Price(input=0.15, output=0.0, cached_input=0.15),
}


def cost_micros(model: str, usage: Usage) -> int:
    """What a call cost, in millionths of a US dollar, rounded up. Raises `UnknownModel`."""
    price = _price(model)
    if price.above is not None and price.long is not None and usage.input_tokens > price.above:
        price = price.long
    # Dollars per million tokens are millionths of a dollar per token; thousandths of those are whole numbers.
    thousandths = (
        (usage.input_tokens - usage.cached_tokens) * round(price.input * 1000)
        + usage.cached_tokens * round(price.cached_input * 1000)
        + usage.output_tokens * round(price.output * 1000)
    )
    return -(-thousandths // 1000)


def estimate_cost_micros(model: str, input_tokens: int, output_tokens: int) -> int:
    """What calls of so many tokens would cost, in millionths of a US dollar. Raises `UnknownModel`."""
    return cost_micros(model, Usage(input_tokens, output_tokens))


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def most_tokens(text: str) -> int:
    """The most tokens a text can have: one for each byte. The tokenizer of Gemini falls back to bytes where it knows
    nothing longer (Gemma Team 2024, https://arxiv.org/abs/2403.08295), and no token stands for less."""
    return len(text.encode("utf-8", "surrogatepass"))


def require_price(model: str) -> None:
    """Raises `UnknownModel` unless the table has the model."""
    _price(model)


def _price(model: str) -> Price:
    try:
        return PRICES[model]
    except KeyError:
        known = ", ".join(sorted(PRICES))
        raise UnknownModel(f"there is no price for the model {model}; there is one for {known}") from None
