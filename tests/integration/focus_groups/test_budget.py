"""Budgets of focus groups that Gemini plays, on the wire of the fake server, when its replies are bad."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.cache.memory import MemoryCache
from common.jobs.reserve import claim_micros
from common.llm import retry, stack
from common.llm.gemini.adapter import Gemini
from common.llm.limits.port import Rates
from common.llm.models import Models
from tests.fakes.gemini.fixtures import FakeGemini
from tests.integration.focus_groups.conftest import PROMPTS, Groups
from tests.unit.llm.scripted import Sleepless

MODELS = Models("gemini", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")
CLAIM_MICROS = claim_micros("focus_group", MODELS)
BAD = {"text": "no JSON, and as long as it may be " * 120}


@pytest.fixture
def gemini(groups: Groups, fake_gemini: FakeGemini) -> Iterator[FakeGemini]:
    """The groups are played by Gemini with all that stands around it, and claims reserve what they do in earnest."""
    adapter = Gemini("key", MODELS, PROMPTS, endpoint=fake_gemini.url)
    groups.reserve_micros = CLAIM_MICROS
    groups.llm.inner = stack.build(
        adapter,
        models=MODELS,
        prompts=PROMPTS,
        limiter=stack.limiter(Rates(600_000, 1e9)),
        cache=MemoryCache(),
        cache_seconds=0.0,
        call_seconds=5.0,
        shutdown=Sleepless(),
    )
    yield fake_gemini
    adapter.close()


def ask(groups: Groups, personas: int, budget_micros: int) -> tuple[str, str | None, int, int]:
    """Runs a group of one question on this budget: its job's state, its stop's reason, its answers and its spend.

    What was spent is what the calls cost, and never more than the budget, whatever was recorded when.
    """
    panel = groups.panel(personas)
    asked = groups.ask(panel_job_id=panel, questions=["Why?"], budget_usd=budget_micros / 1_000_000)
    groups.run()
    job = groups.job(asked.job_id)
    [(cost,)] = groups.sql("SELECT coalesce(sum(cost_micros), 0) FROM llm_calls WHERE job_id = :id", id=asked.job_id)
    assert job.spend.reserved_micros == 0
    assert job.spend.spent_micros == cost <= budget_micros == job.spend.budget_micros
    return job.state, job.stop_reason, job.items.done, cost


def test_replies_that_are_bad_until_the_last_attempt_are_paid_for(groups: Groups, gemini: FakeGemini) -> None:
    """The answer costs what all its attempts cost, each reserved before it was made."""
    gemini.control(script=[BAD] * (retry.ATTEMPTS - 1))
    state, reason, done, cost = ask(groups, 2, 100_000)
    assert (state, reason, done, gemini.counters()["calls"]) == ("completed", None, 2, retry.ATTEMPTS + 1)
    assert cost > CLAIM_MICROS


def test_a_budget_for_one_call_pays_for_no_other(groups: Groups, gemini: FakeGemini) -> None:
    """A bad reply is not asked for again with money that is not there: the job ends as partial, 0 of 2."""
    gemini.control(script=[BAD] * (retry.ATTEMPTS - 1))
    state, reason, done, cost = ask(groups, 2, CLAIM_MICROS)
    assert (state, reason, done, gemini.counters()["calls"]) == ("partial", "budget", 0, 1)
    assert cost > 0


@pytest.mark.parametrize("budget_micros", [1, 5_600, 11_700, 17_900])
def test_no_budget_is_exceeded_by_many_bad_replies(groups: Groups, gemini: FakeGemini, budget_micros: int) -> None:
    """Two of three replies are bad: however far the money goes, it goes no further."""
    gemini.control(script=[BAD, BAD, {"mode": "ok"}] * 6)
    state, reason, done, _ = ask(groups, 6, budget_micros)
    assert (state, reason) == ("partial", "budget")
    assert done < 6
