"""The job engine on a real Postgres."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from uuid import UUID

import pytest

from common.bus.topology import EVENTS, RESULTS
from common.database.engine import autocommit
from common.errors import InvalidInput
from common.ids import item_id, new_id
from common.jobs import leases, outcomes, reopen, stops
from common.jobs.errors import ItemBusy, JobNotFound, JobNotOpen, NothingToRetry
from common.jobs.models import Claim, Effect
from common.jobs.sweep import sweep
from common.llm.port import BadReply, Calls, RateLimited
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import NOTHING, Jobs, paid, succeed


def claim(jobs: Jobs, job_id: UUID, position: int, reserve_micros: int = 0) -> Claim | None:
    """Claims the item at a position."""
    return leases.claim(
        jobs.engine,
        LOCAL_WORKSPACE,
        job_id,
        item_id(job_id, position),
        kind="focus_group",
        reserve_micros=reserve_micros,
    )


def test_a_chain_runs_each_persona_in_order_and_ends_completed(jobs: Jobs) -> None:
    """Recording an answer asks for the persona's next one; the last one completes the job, once."""
    job_id = jobs.accept()
    order = jobs.run()
    assert sorted(order) == list(range(6))
    assert [p for p in order if p < 3] == [0, 1, 2]
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.version) == ("completed", 6, 7)
    assert [json.loads(data)["state"] for data in jobs.bus.take(RESULTS)] == ["completed"]
    assert len(jobs.bus.take(EVENTS)) == 1
    assert jobs.events(job_id)[0] == (1, "accepted")
    assert [sequence for sequence, _ in jobs.events(job_id)] == list(range(1, 8))
    assert jobs.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_rounds_wait_for_every_item_of_the_round_before(jobs: Jobs) -> None:
    """No item of a round is asked for before the last of the round before has ended, even by failing."""
    job_id = jobs.accept(flow="rounds")

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        if claim.position == 0:
            raise InvalidInput.of("x", "cannot be")
        return NOTHING

    order = jobs.run(perform)
    assert [position % 3 for position in order] == [0, 0, 1, 1, 2, 2]
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.items.failed) == ("partial", 5, 1)
    assert [(r.code, r.items) for r in job.reasons] == [("invalid_input", 1)]


def test_every_message_delivered_three_times_makes_everything_once(jobs: Jobs) -> None:
    """A repeated message finds its item done and changes nothing."""
    job_id = jobs.accept()
    jobs.bus.published *= 3
    jobs.fan_out()
    made: list[int] = []

    def noting(claim: Claim, calls: Calls, deadline: float) -> Effect:
        made.append(claim.position)
        return NOTHING

    while asked := jobs.asked():
        for event in asked * 3:
            jobs.work(event, noting)
    assert sorted(made) == list(range(6))
    assert jobs.get(job_id).state == "completed"


def test_two_workers_cannot_hold_the_same_item(jobs: Jobs) -> None:
    """The second claim is told that the item is being worked on, so that its message comes again."""
    job_id = jobs.accept()
    jobs.fan_out()
    assert claim(jobs, job_id, 0) is not None
    with pytest.raises(ItemBusy):
        claim(jobs, job_id, 0)


def test_a_worker_that_lost_its_lease_cannot_record(jobs: Jobs) -> None:
    """The fencing token of the older claim no longer fits, and nothing of it is written."""
    job_id = jobs.accept()
    jobs.fan_out()
    old = claim(jobs, job_id, 0)
    assert old is not None
    jobs.sql("UPDATE job_items SET lease_until = now() - interval '1 second' WHERE state = 'leased'")
    with autocommit(jobs.engine) as connection:
        assert leases.expire(connection) == 1
    new = claim(jobs, job_id, 0)
    assert new is not None
    assert outcomes.finish(jobs.engine, old, NOTHING, [paid(5)]) is None
    assert outcomes.finish(jobs.engine, new, NOTHING, []) is not None
    assert jobs.get(job_id).items.done == 1
    assert jobs.sql("SELECT count(*) FROM llm_calls") == [(0,)]


def test_an_item_fails_after_its_attempts_with_its_last_reason(jobs: Jobs) -> None:
    """A retryable error frees the item and asks for redelivery; the fifth one fails it, and the chain goes on."""
    job_id = jobs.accept(total=3)
    jobs.fan_out()
    [event] = jobs.asked()

    def bad(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.add(paid(2))
        raise BadReply("not JSON")

    for _ in range(4):
        with pytest.raises(BadReply):
            jobs.work(event, bad)
    jobs.work(event, bad)
    assert jobs.run()[0] == 1
    job = jobs.get(job_id)
    assert (job.state, job.items.failed, job.items.done, job.spend.spent_micros) == ("partial", 1, 2, 10)
    assert [(r.code, r.detail) for r in job.reasons] == [("llm_bad_reply", "not JSON")]
    assert jobs.sql("SELECT count(*) FROM llm_calls") == [(5,)]


def test_waiting_for_the_rate_limit_uses_up_no_attempt(jobs: Jobs) -> None:
    """An item that was rate limited ten times can still be made."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    [event] = jobs.asked()

    def limited(claim: Claim, calls: Calls, deadline: float) -> Effect:
        raise RateLimited("slow down", retry_after=1)

    for _ in range(10):
        with pytest.raises(RateLimited):
            jobs.work(event, limited)
    jobs.work(event)
    assert jobs.get(job_id).state == "completed"


def test_the_budget_is_reserved_before_a_call_and_never_exceeded(jobs: Jobs) -> None:
    """A claim that the budget cannot cover stops the job as partial and says so."""
    job_id = jobs.accept(flow="parallel", rounds=1, total=10, budget_micros=100)

    def pay(claim: Claim, calls: Calls, deadline: float) -> Effect:
        assert jobs.get(job_id).spend.reserved_micros == 30
        calls.add(paid(20))
        return NOTHING

    jobs.run(pay, reserve_micros=30)
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason, job.items.done, job.items.skipped) == ("partial", "budget", 4, 6)
    assert (job.spend.spent_micros, job.spend.reserved_micros) == (80, 0)
    assert [(r.code, r.items) for r in job.reasons] == [("budget", 6)]


@pytest.mark.parametrize("failing", [False, True])
def test_a_budget_too_small_for_any_item_ends_the_job_as_partial(jobs: Jobs, failing: bool) -> None:
    """Whatever came of what it did pay for: a job that reaches its cap is partial and says so, 0 of N included."""
    job_id = jobs.accept(flow="parallel", rounds=1, total=3, budget_micros=30)

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.add(paid(20))
        raise InvalidInput.of("x", "cannot be")

    jobs.run(perform, reserve_micros=30 if failing else 31)
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason, job.items.done, job.items.failed) == ("partial", "budget", 0, int(failing))
    assert [json.loads(data)["state"] for data in jobs.bus.take(RESULTS)] == ["partial"]


def test_concurrent_claims_cannot_spend_the_same_money(jobs: Jobs) -> None:
    """Of eight claims at once, as many succeed as the budget covers."""
    job_id = jobs.accept(flow="parallel", rounds=1, total=8, budget_micros=100)
    jobs.fan_out()
    held: list[Claim] = []
    refused: list[Exception] = []

    def take(position: int) -> None:
        try:
            found = claim(jobs, job_id, position, reserve_micros=30)
        except Exception as error:
            refused.append(error)
        else:
            if found:
                held.append(found)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (3, 5)
    assert jobs.get(job_id).spend.reserved_micros == 90


def test_the_reservation_of_a_dead_worker_counts_as_spent(jobs: Jobs) -> None:
    """Nobody can say what its call cost, so the budget is charged with all that was reserved."""
    job_id = jobs.accept(total=3)
    jobs.fan_out()
    held = claim(jobs, job_id, 0, reserve_micros=30)
    assert held is not None
    with autocommit(jobs.engine) as connection:
        owner = jobs.sql("SELECT lease_owner FROM job_items WHERE state = 'leased'")[0][0]
        assert leases.give_up(connection, owner) == 1
    job = jobs.get(job_id)
    assert (job.spend.spent_micros, job.spend.reserved_micros) == (30, 0)
    assert jobs.sql("SELECT outcome, cost_micros FROM llm_calls") == [("lost", 30)]
    jobs.asked()
    sweep(jobs.engine, jobs.relay)
    assert jobs.run() == [0, 1, 2]
    assert jobs.get(job_id).state == "completed"


def test_cancelling_skips_what_is_open_and_lets_what_runs_be_recorded(jobs: Jobs) -> None:
    """The job ends as cancelled when the last item under way has been recorded."""
    job_id = jobs.accept()
    jobs.fan_out()
    held = claim(jobs, job_id, 0)
    assert held is not None
    with autocommit(jobs.engine) as connection:
        assert stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled") == []
    assert jobs.get(job_id).state == "running"
    pending = outcomes.finish(jobs.engine, held, NOTHING, [])
    assert pending is not None
    assert len(pending) == 2
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.items.skipped) == ("cancelled", 1, 5)
    with autocommit(jobs.engine) as connection:
        with pytest.raises(JobNotOpen):
            stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled")


def test_a_job_cancelled_before_it_is_laid_out_ends_at_once(jobs: Jobs) -> None:
    """Items that do not exist yet are skipped too, and laying out afterwards makes none."""
    job_id = jobs.accept()
    with autocommit(jobs.engine) as connection:
        jobs.relay.send(stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled"))
    jobs.fan_out()
    assert jobs.asked() == []
    job = jobs.get(job_id)
    assert (job.state, job.items.skipped) == ("cancelled", 6)
    assert [(r.code, r.items) for r in job.reasons] == [("cancelled", 6)]


def test_the_sweeper_ends_a_job_that_is_past_its_deadline(jobs: Jobs) -> None:
    """What is done is kept, what is not is skipped, and the job says that time ran out."""
    job_id = jobs.accept(total=3)
    jobs.fan_out()
    jobs.work(jobs.asked()[0])
    jobs.sql("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    assert sweep(jobs.engine, jobs.relay).stopped == 1
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason, job.items.done, job.items.skipped) == ("partial", "deadline", 1, 2)


def test_a_job_whose_time_runs_out_before_anything_is_done_has_failed(jobs: Jobs) -> None:
    """Unlike a budget, which is spent on purpose, time that ran out with nothing made is a failure."""
    job_id = jobs.accept(total=3)
    jobs.sql("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    sweep(jobs.engine, jobs.relay)
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason, job.items.skipped) == ("failed", "deadline", 3)


def test_the_sweeper_publishes_what_a_broken_bus_refused(jobs: Jobs) -> None:
    """An event whose publisher failed stays in the outbox until the bus takes it."""
    jobs.bus.broken = True
    with pytest.raises(Exception, match="the bus is down"):
        jobs.accept()
    jobs.bus.broken = False
    assert sweep(jobs.engine, jobs.relay).published == 0
    jobs.sql("UPDATE outbox SET created_at = now() - interval '1 minute'")
    assert sweep(jobs.engine, jobs.relay).published == 1
    assert sorted(jobs.run()) == list(range(6))


def test_the_sweeper_asks_again_for_an_item_whose_message_was_lost(jobs: Jobs) -> None:
    """A ready item that nobody came for is asked for again."""
    job_id = jobs.accept(total=3)
    jobs.fan_out()
    assert len(jobs.asked()) == 1
    assert sweep(jobs.engine, jobs.relay).asked == 0
    jobs.sql("UPDATE job_items SET updated_at = now() - interval '10 minutes'")
    assert sweep(jobs.engine, jobs.relay).asked == 1
    assert jobs.run() == [0, 1, 2]
    assert jobs.get(job_id).state == "completed"


def test_retrying_runs_only_what_failed(jobs: Jobs) -> None:
    """Answers that exist stay; the job completes when the failed one succeeds."""
    job_id = jobs.accept()

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        if claim.position == 1:
            raise InvalidInput.of("x", "cannot be")
        return NOTHING

    jobs.run(perform)
    assert jobs.get(job_id).state == "partial"
    with jobs.engine.begin() as connection:
        pending = reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=False)
    jobs.relay.send(pending)
    sweep(jobs.engine, jobs.relay)
    assert jobs.run() == [1]
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.items.failed) == ("completed", 6, 0)
    with jobs.engine.begin() as connection, pytest.raises(NothingToRetry):
        reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True)


@pytest.mark.parametrize("flow", ["chain", "rounds", "parallel"])
@pytest.mark.parametrize("laid_out", [True, False])
def test_resuming_runs_what_was_skipped_in_its_order(jobs: Jobs, flow: str, laid_out: bool) -> None:
    """A job that was stopped before or after it was laid out runs to its end when resumed."""
    job_id = jobs.accept(flow=flow, rounds=1 if flow == "parallel" else 3)
    if laid_out:
        jobs.fan_out()
        jobs.work(jobs.asked()[0])
    with autocommit(jobs.engine) as connection:
        jobs.relay.send(stops.stop(connection, LOCAL_WORKSPACE, job_id, "budget"))
    jobs.fan_out()
    jobs.asked()
    with jobs.engine.begin() as connection:
        pending = reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True, budget_micros=1_000)
    jobs.relay.send(pending)
    sweep(jobs.engine, jobs.relay)
    jobs.run()
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.items.skipped, job.stop_reason) == ("completed", 6, 0, None)
    assert job.spend.budget_micros == 1_000


def test_a_job_of_many_batches_is_laid_out_whole(jobs: Jobs) -> None:
    """Chains do not break at the edges of batches."""
    job_id = jobs.accept(total=7 * 150, rounds=7)
    assert len(jobs.run()) == 7 * 150
    assert jobs.get(job_id).state == "completed"


def test_the_last_items_of_many_workers_complete_the_job_once(jobs: Jobs) -> None:
    """Workers that record at the same moment count every item and announce one end."""
    job_id = jobs.accept(flow="parallel", rounds=1, total=40)
    jobs.fan_out()
    asked = jobs.asked()
    threads = [threading.Thread(target=lambda e=e: jobs.work(e, succeed)) for e in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.version) == ("completed", 40, 41)
    assert len(jobs.bus.take(RESULTS)) == 1


def test_another_workspace_sees_nothing_of_a_job(jobs: Jobs) -> None:
    """Ids of one workspace name nothing in another."""
    job_id = jobs.accept()
    jobs.fan_out()
    stranger = new_id()
    with pytest.raises(JobNotFound):
        leases.claim(jobs.engine, stranger, job_id, item_id(job_id, 0), kind="focus_group", reserve_micros=0)
    with autocommit(jobs.engine) as connection:
        with pytest.raises(JobNotFound):
            stops.stop(connection, stranger, job_id, "cancelled")
    held = claim(jobs, job_id, 0)
    assert held is not None
    assert outcomes.finish(jobs.engine, replace(held, workspace_id=stranger), NOTHING, []) is None
