"""Divides a group's answers into portions a model can read at once, and plans how their readings are merged.

The readings of up to `fan_in` portions are merged into the report; of more, in levels, each merging up to
`fan_in` of the level below, so that no call outgrows the model however large the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from operator import attrgetter

PORTION_TOKENS = 40_000
"""What of a prompt answers may fill. Gemini 2.5 Pro reads 1,048,576 tokens and charges more beyond 200,000
(ai.google.dev/gemini-api/docs/models and /pricing); several readers at once are also sooner done than one."""

FAN_IN = 20
"""Readings merged by one call. A reading takes some 4,000 tokens, 8,000 at most."""

OUTPUT_TOKENS = 12_288
"""The most a reading or a report may take. A full report takes some 6,000, half as many again in Polish."""

MEND_OUTPUT_TOKENS = 4_096
"""The most that new evidence for doubtful statements may take."""

BYTES_PER_TOKEN = 3
"""Cautious: Gemini counts a token for about 4 characters of English (ai.google.dev/gemini-api/docs/tokens),
fewer of Polish, and about one per character of scripts that take 3 bytes of UTF-8 each."""

ANSWER_TOKENS = 45
"""What an answer's label, question, stance, sentiment and theme labels add."""

PERSONA_TOKENS = 90
"""What a persona's label and demographics add."""


@dataclass(frozen=True, slots=True)
class Size:
    """An answer's place (positions of persona and question) and the bytes of its text."""

    persona: int
    question: int
    bytes: int

    @property
    def tokens(self) -> int:
        """About how many tokens it takes in a prompt."""
        return self.bytes // BYTES_PER_TOKEN + 1 + ANSWER_TOKENS


@dataclass(frozen=True, slots=True)
class Portion:
    """Consecutive answers in the order of personas and their questions: the place of the first, how many,
    and the position of the persona of the last."""

    persona: int
    question: int
    answers: int
    last_persona: int


@dataclass(frozen=True, slots=True)
class Step:
    """One item of a summary: `part` reads a portion, `fold` merges readings into one, `merge` merges them
    into the report, and `whole` makes the report from all answers at once.

    `first` and `last` are positions among the portions (both included) that the step covers, and
    `sources` the positions of the items it merges (the last excluded).
    """

    kind: str
    round: int
    first: int
    last: int
    sources: tuple[int, int] = (0, 0)


def divide(sizes: Iterable[Size], budget: int = PORTION_TOKENS) -> list[Portion]:
    """Portions that hold every answer exactly once, of about equal size and at most `budget` tokens.

    `sizes` come in the order of personas and their questions. A persona's answers stay together unless
    they alone exceed the budget; a single answer that does is a portion of its own.
    """
    personas = [list(answers) for _, answers in groupby(sizes, key=attrgetter("persona"))]
    total = sum(_tokens(answers) for answers in personas)
    if not personas:
        return []
    even = total / ceil(total / budget)
    portions: list[list[Size]] = [[]]
    used = 0.0
    for answers in personas:
        size = _tokens(answers)
        if portions[-1] and (used >= even or used + size > budget):
            portions.append([])
            used = 0
        if size <= budget:
            portions[-1] += answers
            used += size
            continue
        used = PERSONA_TOKENS
        for answer in answers:
            if portions[-1] and used + answer.tokens > budget:
                portions.append([])
                used = PERSONA_TOKENS
            portions[-1].append(answer)
            used += answer.tokens
    return [Portion(p[0].persona, p[0].question, len(p), p[-1].persona) for p in portions]


def steps(portions: int, fan_in: int = FAN_IN) -> list[Step]:
    """The items of a summary by position, level by level; the last one makes the report."""
    if portions <= 1:
        return [Step("whole", 0, 0, 0)]
    planned = [Step("part", 0, n, n) for n in range(portions)]
    below, start = planned[:], 0
    for round_ in range(1, len(levels(portions, fan_in))):
        merged = []
        count = ceil(len(below) / fan_in)
        for n in range(count):
            low, high = len(below) * n // count, len(below) * (n + 1) // count
            sources = below[low:high]
            merged.append(Step("fold", round_, sources[0].first, sources[-1].last, (start + low, start + high)))
        start += len(below)
        planned += merged
        below = merged
    report = planned[-1]
    return [*planned[:-1], Step("merge", report.round, report.first, report.last, report.sources)]


def levels(portions: int, fan_in: int = FAN_IN) -> list[int]:
    """How many items each round has."""
    sizes = [max(portions, 1)]
    while sizes[-1] > 1:
        sizes.append(ceil(sizes[-1] / fan_in))
    return sizes


def places(portions: Sequence[Portion], number: int) -> tuple[tuple[int, int], tuple[int, int] | None]:
    """The place of a portion's first answer, and of the first answer after it (None at the end)."""
    portion = portions[number]
    after = portions[number + 1] if number + 1 < len(portions) else None
    return (portion.persona, portion.question), (after.persona, after.question) if after else None


def _tokens(answers: Sequence[Size]) -> int:
    return PERSONA_TOKENS + sum(answer.tokens for answer in answers)
