"""What a persona remembers of its own earlier answers: all of them, within a limit of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MEMORY_TOKENS = 3000
CHARACTERS_PER_TOKEN = 3
"""Low for English (about 4), right for Polish; a limit should hold for both."""

CUT = " […]"


@dataclass(frozen=True, slots=True)
class Recollection:
    """An earlier question and what the persona answered; `shortened` when parts of them were left out."""

    question: str
    answer: str
    shortened: bool = False


def remember(earlier: Sequence[tuple[str, str]], *, tokens: int = MEMORY_TOKENS) -> list[Recollection]:
    """The earlier (question, answer) pairs, in order, shortened to about `tokens` tokens together.

    None is dropped: half of the limit is shared equally, and what then is left goes to the newest first.
    """
    budget = tokens * CHARACTERS_PER_TOKEN
    sizes = [len(question) + len(answer) for question, answer in earlier]
    spare = budget - sum(sizes)
    if spare >= 0:
        return [Recollection(question, answer) for question, answer in earlier]
    share = budget // (2 * len(earlier))
    allowed = [min(size, share) for size in sizes]
    spare = budget - sum(allowed)
    for index in range(len(earlier) - 1, -1, -1):
        more = min(sizes[index] - allowed[index], spare)
        allowed[index] += more
        spare -= more
    return [
        Recollection(question, answer) if size <= limit else _shorten(question, answer, limit)
        for (question, answer), size, limit in zip(earlier, sizes, allowed, strict=True)
    ]


def _shorten(question: str, answer: str, limit: int) -> Recollection:
    # A third is enough to know a question again; what it does not need goes to the answer.
    question = shorten(question, max(limit // 3, limit - len(answer)))
    return Recollection(question, shorten(answer, limit - len(question)), shortened=True)


def shorten(text: str, limit: int) -> str:
    """The beginning of a text, at most `limit` characters with the mark that it goes on, cut between words."""
    if len(text) <= limit:
        return text
    kept = text[: max(limit - len(CUT), 0)]
    between_words = kept.rpartition(" ")[0]
    if len(between_words) > len(kept) // 2:
        kept = between_words
    return kept.rstrip() + CUT
