"""What the calls of an item may cost beyond what was reserved with its claim."""

from __future__ import annotations

from uuid import UUID

import pytest

from common.bus.topology import ANSWERS
from common.database.engine import autocommit
from common.ids import item_id
from common.jobs import leases, outcomes, spending
from common.jobs.errors import ItemBusy, OverBudget
from common.jobs.models import Claim, Effect
from common.jobs.sweep import sweep
from common.llm.port import Calls
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import NOTHING, Jobs, LoseReply, paid


def accept(jobs: Jobs, budget_micros: int | None = 100) -> UUID:
    """A job of three items, laid out."""
    job_id = jobs.accept(flow="parallel", rounds=1, total=3, budget_micros=budget_micros)
    jobs.fan_out()
    return job_id


def claim(jobs: Jobs, job_id: UUID, position: int, reserve_micros: int) -> Claim:
    """Claims an item."""
    found = leases.claim(
        jobs.engine,
        LOCAL_WORKSPACE,
        job_id,
        item_id(job_id, position),
        kind="focus_group",
        reserve_micros=reserve_micros,
    )
    assert found is not None
    return found


def calls_of(jobs: Jobs, claim: Claim) -> Calls:
    """The log of a claim's calls, as the worker makes it."""
    return Calls(cover=spending.within_budget(jobs.engine, claim))


def money(jobs: Jobs, job_id: UUID) -> tuple[int, int]:
    """What is spent and reserved."""
    spend = jobs.get(job_id).spend
    return spend.spent_micros, spend.reserved_micros


def test_calls_beyond_the_claim_reserve_for_themselves(jobs: Jobs) -> None:
    """Each call is covered with what those before it did cost; recording settles all of it."""
    job_id = accept(jobs)
    held = claim(jobs, job_id, 0, 20)
    calls = calls_of(jobs, held)
    calls.reserve(20)
    assert money(jobs, job_id) == (0, 20)
    calls.add(paid(15))
    calls.reserve(20)
    assert money(jobs, job_id) == (0, 35)
    calls.add(paid(20))
    assert outcomes.finish(jobs.engine, held, NOTHING, calls.made) is not None
    assert money(jobs, job_id) == (35, 0)


def test_a_call_that_the_job_cannot_pay_for_stops_it(jobs: Jobs) -> None:
    """What the item did cost is kept, and it is skipped with the others for want of money."""
    job_id = accept(jobs)

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.reserve(60)
        calls.add(paid(60))
        calls.reserve(60)
        raise AssertionError("there was no money for this call")

    jobs.work(jobs.asked()[0], perform, reserve_micros=10)
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason, job.items.done, job.items.skipped) == ("partial", "budget", 0, 3)
    assert money(jobs, job_id) == (60, 0)
    assert [(reason.code, reason.items) for reason in job.reasons] == [("budget", 3)]


def test_money_that_others_hold_may_come_back(jobs: Jobs) -> None:
    """The item is free again and has used up no attempt, and its event is to come again."""
    job_id = accept(jobs)
    second = jobs.asked()[1]
    other = claim(jobs, job_id, 0, 50)

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.reserve(60)
        calls.add(paid(30))
        return NOTHING

    with pytest.raises(ItemBusy):
        jobs.work(second, perform, reserve_micros=30)
    found = jobs.sql("SELECT state, attempts FROM job_items WHERE id = :id", id=second.item_id)
    assert found == [("ready", 0)]
    assert outcomes.finish(jobs.engine, other, NOTHING, [paid(20)]) is not None
    jobs.work(second, perform, reserve_micros=30)
    assert jobs.get(job_id).items.done == 2
    assert money(jobs, job_id) == (50, 0)


def test_items_that_wait_for_money_are_not_asked_for_once_more(jobs: Jobs) -> None:
    """Their events come again by themselves, each after a while of its own: the sweeper adds none to them."""
    job_id = accept(jobs)
    claim(jobs, job_id, 0, 60)
    waits = set()
    for position in (1, 2):
        with pytest.raises(ItemBusy) as busy:
            claim(jobs, job_id, position, 60)
        waits.add(busy.value.retry_after)
    assert len(waits) == 2
    jobs.bus.take(ANSWERS)
    jobs.sql("UPDATE job_items SET updated_at = updated_at - interval '121 seconds' WHERE state = 'ready'")
    assert sweep(jobs.engine, jobs.relay).asked == 0
    jobs.sql("UPDATE job_items SET updated_at = updated_at - interval '1 minute' WHERE state = 'ready'")
    assert sweep(jobs.engine, jobs.relay).asked == 2


def test_a_job_without_a_budget_pays_for_everything(jobs: Jobs) -> None:
    """Nothing is reserved that nobody asks about."""
    job_id = accept(jobs, budget_micros=None)
    held = claim(jobs, job_id, 0, 20)
    calls_of(jobs, held).reserve(10**9)
    assert money(jobs, job_id) == (0, 20)


def test_a_worker_that_lost_its_lease_may_not_call(jobs: Jobs) -> None:
    """What it reserved is charged to the job, all of it, and no more is given."""
    job_id = accept(jobs)
    held = claim(jobs, job_id, 0, 10)
    calls = calls_of(jobs, held)
    calls.reserve(30)
    with autocommit(jobs.engine) as connection:
        assert leases.give_up(connection, leases.owner()) == 1
    assert money(jobs, job_id) == (30, 0)
    with pytest.raises(ItemBusy):
        calls.reserve(40)
    assert money(jobs, job_id) == (30, 0)


def test_a_reservation_whose_reply_was_lost_is_made_once(jobs: Jobs, lose_reply: LoseReply) -> None:
    """The statement is repeated over another connection, and finds what it did."""
    job_id = accept(jobs)
    held = claim(jobs, job_id, 0, 10)
    calls = calls_of(jobs, held)
    lose_reply("SET reserved_micros = CAST")
    calls.reserve(30)
    assert money(jobs, job_id) == (0, 30)


@pytest.mark.parametrize("wanted", [101, 1000])
def test_more_than_the_budget_is_never_reserved(jobs: Jobs, wanted: int) -> None:
    """Not even by a claim that is alone."""
    job_id = accept(jobs)
    held = claim(jobs, job_id, 0, 10)
    with pytest.raises(OverBudget):
        calls_of(jobs, held).reserve(wanted)
    assert money(jobs, job_id) == (0, 10)
