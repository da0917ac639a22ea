"""What a job will take is told before it starts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.jobs.estimate import Capacity, Estimate, estimate_group, estimate_panel
from common.llm.models import Models
from common.llm.prices import PRICES_OF, UnknownModel, estimate_cost_micros
from common.usage.models import CallHistory

GEMINI = Models("gemini", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")
SIMULATED = Models("simulated", "simulated-1", "simulated-1", "simulated-1", simulated=True)
WIDE = Capacity(concurrency=64)


def a_history(purpose: str = "answer", model: str = "gemini-2.5-flash", **changes: Any) -> dict[Any, CallHistory]:
    """100 calls of 2 s (P90: 3 s) that put out 400 tokens (P90: 500)."""
    values: dict[str, Any] = {
        "purpose": purpose,
        "model": model,
        "calls": 100,
        "input_tokens_p50": 1000,
        "input_tokens_p90": 1200,
        "output_tokens_p50": 400,
        "output_tokens_p90": 500,
        "latency_ms_p50": 2000,
        "latency_ms_p90": 3000,
        "latency_ms_p99": 5000,
    }
    return {(purpose, model): CallHistory(**(values | changes))}


def group(personas: int = 20, questions: int = 4, mode: Any = "interview", **changes: Any) -> Estimate:
    """The estimate of a group with questions of 100 characters."""
    values: dict[str, Any] = {"models": GEMINI, "capacity": WIDE, "question_lengths": [100] * questions}
    return estimate_group(changes.pop("history", {}), personas=personas, mode=mode, **(values | changes))


def panel(size: int = 20, **changes: Any) -> Estimate:
    """The estimate of a panel."""
    values: dict[str, Any] = {"models": GEMINI, "capacity": WIDE}
    return estimate_panel(changes.pop("history", {}), size=size, **(values | changes))


def calls(estimate: Estimate) -> dict[str, int]:
    """Calls by purpose."""
    return {purpose.purpose: purpose.calls for purpose in estimate.purposes}


def test_a_group_takes_an_answer_of_each_persona_to_each_question_and_a_summary() -> None:
    """Its calls are counted by purpose, each with its model."""
    estimate = group()
    assert calls(estimate) == {"answer": 80, "summary": 1, "summary_mend": 1}
    assert {p.purpose: p.model for p in estimate.purposes}["summary"] == "gemini-2.5-pro"
    assert (estimate.model, estimate.basis, estimate.price_date) == ("gemini-2.5-flash", "defaults", PRICES_OF)
    assert estimate.calls == 82


def test_a_large_group_is_summarised_in_portions() -> None:
    """The estimate plans as the summary does."""
    counted = calls(group(1000, 4))
    assert counted["summary_part"] > 5
    assert counted["summary_merge"] == 1
    assert calls(group(1000, 50))["summary_fold"] > 1


def test_a_panel_takes_briefs_personas_and_a_review() -> None:
    """Briefs are as many as segments are likely to come up; embeddings go 100 a call."""
    assert calls(panel(250))["brief"] == 250
    assert calls(panel(250, segments=4))["brief"] == 4
    assert 15 <= calls(panel(20, segments=40))["brief"] <= 17
    assert calls(panel(250))["panel_review"] == 3
    assert calls(panel(20))["persona_repair"] == 1


@given(st.integers(2, 1000), st.integers(1, 50), st.sampled_from(["interview", "discussion"]), st.integers(1, 500))
def test_the_90th_percentile_is_never_below_the_median(personas: int, questions: int, mode: str, at_once: int) -> None:
    """Whatever the group, all figures are positive and in order."""
    estimate = group(personas, questions, mode, capacity=Capacity(at_once))
    for figure in (estimate.input_tokens, estimate.output_tokens, estimate.cost_micros, estimate.seconds):
        assert 0 < figure.p50 <= figure.p90


@given(st.integers(2, 500), st.integers(1, 49))
def test_more_work_never_takes_less(personas: int, questions: int) -> None:
    """One more persona or question costs tokens, money and, with few workers, time."""
    narrow = Capacity(concurrency=4)
    base = group(personas, questions, capacity=narrow)
    for more in (group(personas + 1, questions, capacity=narrow), group(personas, questions + 1, capacity=narrow)):
        assert more.output_tokens.p50 >= base.output_tokens.p50
        assert more.cost_micros.p50 >= base.cost_micros.p50
        assert more.calls > base.calls


def test_history_decides_once_there_are_enough_calls() -> None:
    """With 20 calls tokens and times are the workspace's own, with fewer they are not."""
    known = group(history=a_history())
    assert known.basis == "history"
    assert known.seconds.p50 > group(history={}).seconds.p50
    assert known.output_tokens.p50 > group(history={}).output_tokens.p50
    assert group(history=a_history(calls=19)) == group(history={})
    assert group(history=a_history(model="another")).basis == "defaults"


def test_time_is_the_longest_chain_when_workers_are_many() -> None:
    """Four questions of 2 s one after another, and a little more for the slowest of 20 and the summary."""
    steady = a_history(latency_ms_p90=2000) | a_history(
        "summary", "gemini-2.5-pro", latency_ms_p50=10_000, latency_ms_p90=10_000
    )
    estimate = group(history=steady)
    assert estimate.seconds.p50 == pytest.approx(4 * 2.02 + 10.02, abs=0.2)


def test_time_is_the_work_shared_when_workers_are_few() -> None:
    """80 answers of 2 s by 4 workers take at least 40 s."""
    steady = a_history(latency_ms_p90=2000)
    assert group(history=steady, capacity=Capacity(4)).seconds.p50 - group(personas=1, questions=1).seconds.p50 >= 40


def test_a_discussion_waits_for_the_slowest_of_each_round() -> None:
    """It takes longer than the same interviews, and reads more."""
    talk, interview = group(mode="discussion"), group(mode="interview")
    assert talk.seconds.p50 > interview.seconds.p50
    assert talk.input_tokens.p50 > interview.input_tokens.p50


def test_the_providers_rates_hold_a_job_back() -> None:
    """4,000 answers at 600 requests a minute take more than six minutes; tokens a minute count as well."""
    assert group(1000, 4, capacity=Capacity(500, requests_per_minute=600)).seconds.p50 >= 400
    tokens = group(1000, 4).input_tokens.p50
    held_back = group(1000, 4, capacity=Capacity(500, tokens_per_minute=tokens // 10))
    assert held_back.seconds.p50 >= 600


def test_longer_questions_take_more_input() -> None:
    """A question is read by every persona, and remembered by it after."""
    assert group(question_lengths=[2000] * 4).input_tokens.p50 > group().input_tokens.p50 + 20 * 4 * 400


def test_cost_is_tokens_at_the_table_of_prices() -> None:
    """The median is near the price of the median tokens."""
    estimate = panel(100, segments=4)
    about = estimate_cost_micros("gemini-2.5-flash", estimate.input_tokens.p50, estimate.output_tokens.p50)
    assert estimate.cost_micros.p50 == pytest.approx(about, rel=0.1)


def test_the_simulated_model_costs_nothing_and_takes_what_it_is_told_to() -> None:
    """Its latency is a setting."""
    capacity = Capacity(64, simulated_latency_seconds=0.5)
    estimate = group(models=SIMULATED, capacity=capacity)
    assert (estimate.simulated, estimate.cost_micros.p50, estimate.cost_micros.p90) == (True, 0, 0)
    assert estimate.seconds.p50 == pytest.approx(5 * 0.52, abs=0.1)
    assert panel(models=SIMULATED).cost_micros.p90 == 0


def test_a_model_without_a_price_has_no_estimate() -> None:
    """It is an error and not free."""
    with pytest.raises(UnknownModel):
        group(models=Models("gemini", "unheard-of", "gemini-2.5-pro", "gemini-embedding-001"))
