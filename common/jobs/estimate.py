"""What a job will take, before it starts: calls, tokens, cost and time, as the median and the 90th percentile.

Tokens put out and latencies come from the workspace's own recent calls of the same purpose and model where
there are enough of them, and from `common.jobs.typical` otherwise. Tokens put in that follow from the request
(questions, memory, answers to analyse) are computed from it. How single calls become a job is in
`common.jobs.durations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict

from common.focus_groups.memory import MEMORY_TOKENS
from common.focus_groups.models import Mode
from common.jobs import typical
from common.jobs.durations import Spread, one_after_another, side_by_side, together
from common.llm.models import Models
from common.llm.port import Tier
from common.llm.prices import CHARACTERS_PER_TOKEN, PRICES_OF, estimate_cost_micros
from common.summaries.portions import ANSWER_TOKENS, PERSONA_TOKENS, PORTION_TOKENS, levels
from common.usage.models import CallHistory

ENOUGH_CALLS = 20
"""So many calls of a purpose and model make a history."""

HOP_SECONDS = 0.02
"""What Sight itself adds to a call: claiming the item, recording it, and the message for the next."""

EMBEDDED_AT_ONCE = 100
"""Texts in one request for embeddings."""

History = Mapping[tuple[str, str], CallHistory]
Basis = Literal["history", "defaults"]


class Tokens(BaseModel):
    """A count: the median, and what it stays under in 9 of 10 cases."""

    model_config = ConfigDict(frozen=True)

    p50: int
    p90: int


class Seconds(BaseModel):
    """A time in seconds: the median, and what it stays under in 9 of 10 cases."""

    model_config = ConfigDict(frozen=True)

    p50: float
    p90: float


class PurposeEstimate(BaseModel):
    """The calls of one purpose. Calls that may turn out not to be needed are counted as often as expected."""

    model_config = ConfigDict(frozen=True)

    purpose: str
    model: str
    calls: int
    basis: Basis


class Estimate(BaseModel):
    """What a job will take. `basis` is of its main purpose (its personas, its answers); `model` makes them.
    Cost is in millionths of a US dollar, at prices of `price_date`; simulated calls cost nothing."""

    model_config = ConfigDict(frozen=True)

    calls: int
    input_tokens: Tokens
    output_tokens: Tokens
    cost_micros: Tokens
    seconds: Seconds
    basis: Basis
    model: str
    simulated: bool
    price_date: str
    purposes: list[PurposeEstimate]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What may run at once, and what the provider allows a minute (None: more than we could ask for)."""

    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    simulated_latency_seconds: float = 0.0


def estimate_panel(
    history: History, *, size: int, models: Models, capacity: Capacity, segments: int | None = None
) -> Estimate:
    """What making `size` personas takes, their review included.

    `segments` is how many combinations of age, education, location and gender the audience has; each that
    comes up takes one brief. None: as many as personas.
    """
    job = _Job(history, models, capacity)
    briefs = size if segments is None else min(size, ceil(_occupied(segments, size)))
    brief = job.add("brief", briefs)
    persona = job.add("persona", size)
    repair = job.add("persona_repair", size * typical.REPAIR_RATE)
    texts_per_call = min(size, EMBEDDED_AT_ONCE)
    reviews = ceil(size / EMBEDDED_AT_ONCE)
    review = job.add("panel_review", reviews, input_tokens=typical.INPUT["panel_review"] * texts_per_call)
    job.take(side_by_side([brief, persona], size, capacity.concurrency))
    job.take(_perhaps(repair, size, typical.REPAIR_RATE))
    job.take(together([(review, reviews)]))
    return job.estimate("persona")


def estimate_group(
    history: History,
    *,
    personas: int,
    question_lengths: Sequence[int],
    mode: Mode,
    models: Models,
    capacity: Capacity,
    briefing_length: int = 0,
) -> Estimate:
    """What a focus group takes, its summary included. Lengths are in characters."""
    job = _Job(history, models, capacity)
    questions = len(question_lengths)
    said = job.output("answer")[0] * typical.TEXT_SHARE
    asked = [_answer_input(question_lengths, n, said, mode, briefing_length) for n in range(questions)]
    answer = job.add(
        "answer",
        personas * questions,
        input_tokens=Spread(fmean(spread.p50 for spread in asked), fmean(spread.p90 for spread in asked)),
    )
    if mode == "interview":
        job.take(side_by_side([answer] * questions, personas, capacity.concurrency))
    else:
        job.take(one_after_another([side_by_side([answer], personas, capacity.concurrency)] * questions))
    _add_summary(job, personas, question_lengths, said)
    return job.estimate("answer")


def _add_summary(job: _Job, personas: int, question_lengths: Sequence[int], said: Spread) -> None:
    shared = typical.INPUT["brief"] + sum(map(_tokens, question_lengths))
    answers = (said + ANSWER_TOKENS) * (personas * len(question_lengths)) + PERSONA_TOKENS * personas
    sizes = levels(ceil(answers.p50 / PORTION_TOKENS))
    if len(sizes) == 1:
        job.take(side_by_side([job.add("summary", 1, input_tokens=answers + shared.p50)], 1, 1))
        readings = 1
    else:
        readings = sum(sizes)
        portion = answers * (1 / sizes[0]) + shared.p50
        part = job.add("summary_part", sizes[0], input_tokens=portion)
        job.take(side_by_side([part], sizes[0], job.capacity.concurrency))
        for below, size in pairwise(sizes):
            purpose = "summary_merge" if size == 1 else "summary_fold"
            merged = job.output("summary_part")[0] * (below / size) + shared.p50
            job.take(side_by_side([job.add(purpose, size, input_tokens=merged)], size, job.capacity.concurrency))
    mend = job.add("summary_mend", readings * typical.MEND_RATE, input_tokens=Spread(3000, 8000))
    job.take(_perhaps(mend, readings, typical.MEND_RATE))


@dataclass(slots=True)
class _Job:
    """A job's calls by purpose, and its stages one after another."""

    history: History
    models: Models
    capacity: Capacity
    purposes: list[PurposeEstimate] = field(default_factory=list)
    inputs: list[tuple[Spread, float]] = field(default_factory=list)
    outputs: list[tuple[Spread, float]] = field(default_factory=list)
    costs: list[tuple[Spread, float]] = field(default_factory=list)
    stages: list[Spread] = field(default_factory=list)

    def add(self, purpose: str, calls: float, *, input_tokens: Spread | None = None) -> Spread:
        """Counts calls and returns how long one takes, in seconds."""
        model, known = self._known(purpose)
        output, basis = self.output(purpose)
        if input_tokens is None:
            input_tokens = typical.INPUT[purpose]
            if known:
                input_tokens = Spread(known.input_tokens_p50, known.input_tokens_p90)
        self.purposes.append(PurposeEstimate(purpose=purpose, model=model, calls=ceil(calls), basis=basis))
        self.inputs.append((input_tokens, calls))
        self.outputs.append((output, calls))
        self.costs.append((self._cost(model, input_tokens, output), calls))
        return self._latency(purpose, output, known) + HOP_SECONDS

    def output(self, purpose: str) -> tuple[Spread, Basis]:
        """The tokens one call puts out, and where that is from."""
        known = self._known(purpose)[1]
        if known:
            return Spread(known.output_tokens_p50, known.output_tokens_p90), "history"
        return typical.OUTPUT[purpose], "defaults"

    def take(self, stage: Spread) -> None:
        """Adds a stage that begins when the one before it has ended."""
        self.stages.append(stage)

    def estimate(self, main: str) -> Estimate:
        """All of it together."""
        calls = sum(purpose.calls for purpose in self.purposes)
        inputs = together(self.inputs)
        seconds = one_after_another(self.stages)
        allowed = Spread(self._at_the_rates(calls, inputs.p50), self._at_the_rates(calls, inputs.p90))
        of_main = next(purpose for purpose in self.purposes if purpose.purpose == main)
        return Estimate(
            calls=calls,
            input_tokens=_rounded(inputs),
            output_tokens=_rounded(together(self.outputs)),
            cost_micros=_rounded(together(self.costs)),
            seconds=Seconds(p50=round(max(seconds.p50, allowed.p50), 1), p90=round(max(seconds.p90, allowed.p90), 1)),
            basis=of_main.basis,
            model=of_main.model,
            simulated=self.models.simulated,
            price_date=PRICES_OF,
            purposes=[purpose for purpose in self.purposes if purpose.calls],
        )

    def _known(self, purpose: str) -> tuple[str, CallHistory | None]:
        model = self.models.embedding if purpose == "panel_review" else self.models.of(_tier(purpose))
        known = self.history.get((purpose, model))
        return model, known if known and known.calls >= ENOUGH_CALLS else None

    def _latency(self, purpose: str, output: Spread, known: CallHistory | None) -> Spread:
        if self.models.simulated:
            return Spread(self.capacity.simulated_latency_seconds, self.capacity.simulated_latency_seconds)
        if known:
            return Spread(known.latency_ms_p50 / 1000, known.latency_ms_p90 / 1000)
        return typical.EMBEDDING_SECONDS if purpose == "panel_review" else typical.latency(_tier(purpose), output)

    def _cost(self, model: str, input_tokens: Spread, output: Spread) -> Spread:
        if self.models.simulated:
            return Spread(0.0, 0.0)
        return Spread(
            estimate_cost_micros(model, round(input_tokens.p50), round(output.p50)),
            estimate_cost_micros(model, round(input_tokens.p90), round(output.p90)),
        )

    def _at_the_rates(self, calls: int, tokens: float) -> float:
        """How long the provider's rates make it take, in seconds."""
        requests, allowed = self.capacity.requests_per_minute, self.capacity.tokens_per_minute
        return max(60 * calls / requests if requests else 0.0, 60 * tokens / allowed if allowed else 0.0)


def _answer_input(lengths: Sequence[int], question: int, said: Spread, mode: Mode, briefing: int) -> Spread:
    """The tokens put in for the answer to one question: the persona, the question, what was said before."""
    remembered = sum(_tokens(length) for length in lengths[:question]) + said.p50 * question
    heard = typical.HEARD_TOKENS if mode == "discussion" and question else 0
    fixed = _tokens(briefing) + _tokens(lengths[question]) + min(remembered, MEMORY_TOKENS) + heard
    return typical.INPUT["answer"] + fixed


def _perhaps(call: Spread, chances: int, rate: float) -> Spread:
    """What a call adds to the time that each of so many chances makes necessary at this rate."""
    needed = 1 - (1 - rate) ** chances
    return Spread(call.p50 if needed >= 0.5 else 0.0, call.p50 if needed >= 0.1 else 0.0)


def _occupied(segments: int, size: int) -> float:
    """How many of so many segments a panel is expected to have somebody in if they are equally large, which is
    when it is most (the occupancy problem; Feller 1968, An Introduction to Probability Theory, II.5)."""
    return segments * (1 - (1 - 1 / segments) ** size)


def _tier(purpose: str) -> Tier:
    return "analysis" if purpose.startswith("summary") else "standard"


def _tokens(characters: int) -> int:
    return ceil(characters / CHARACTERS_PER_TOKEN)


def _rounded(spread: Spread) -> Tokens:
    return Tokens(p50=ceil(spread.p50), p90=ceil(spread.p90))
