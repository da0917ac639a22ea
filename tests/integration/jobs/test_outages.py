"""Work on items while the database goes away and comes back."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from common.bus.topology import RESULTS
from common.database.engine import autocommit
from common.ids import item_id
from common.jobs import leases, outcomes, stops, work
from common.jobs.errors import ItemBusy
from common.jobs.models import Claim, Effect
from common.llm.port import Calls, ModelUnavailable
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import NOTHING, Jobs, LoseReply, paid

CLAIMS = "SET state = 'leased'"
RECORDS = "finished_at = now()"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once."""
    monkeypatch.setattr(work, "RECONNECT_SECONDS", 0.01)


def lose_connections(jobs: Jobs) -> None:
    """Ends every connection the pool holds, as a restart of the server does."""
    held = [jobs.engine.connect() for _ in range(2)]
    for connection in held:
        connection.close()
    jobs.sql("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    """)


def test_a_result_outlives_a_restart_of_the_database(jobs: Jobs) -> None:
    """What was made while the connections broke is recorded over new ones: no second call, no wait for the lease."""
    job_id = jobs.accept(total=2, rounds=1, flow="parallel")
    made = []

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        made.append(claim.position)
        lose_connections(jobs)
        return NOTHING

    jobs.run(perform)
    job = jobs.get(job_id)
    assert (job.state, job.items.done, sorted(made)) == ("completed", 2, [0, 1])


def test_an_item_is_given_back_across_a_restart_of_the_database(jobs: Jobs) -> None:
    """An item whose model fails while the connections break is free at once, not when its lease ends."""
    jobs.accept(total=2, rounds=1, flow="parallel")
    jobs.fan_out()
    event = jobs.asked()[0]

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        lose_connections(jobs)
        raise ModelUnavailable("overloaded")

    with pytest.raises(ModelUnavailable):
        jobs.work(event, perform)
    assert jobs.sql("SELECT state, lease_owner FROM job_items WHERE id = :id", id=event.item_id) == [("ready", None)]


def test_a_result_the_database_refuses_fails_its_item(jobs: Jobs) -> None:
    """To make it again would cost another call and change nothing: the item says what happened, and the job goes on."""
    job_id = jobs.accept(total=2, rounds=1, flow="parallel")
    jobs.fan_out()
    first, second = jobs.asked()

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.add(paid(5))
        return Effect("UPDATE projects SET name = NULL FROM item", {})

    jobs.work(first, perform)
    jobs.work(second)
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.items.failed, job.spend.spent_micros) == ("partial", 1, 1, 5)
    assert [reason.code for reason in job.reasons] == ["result_refused"]


def test_a_result_that_cannot_be_written_leaves_its_item_free(jobs: Jobs) -> None:
    """A statement that is wrong is an error of ours: the item does not wait for its lease, and keeps what it cost."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    [event] = jobs.asked()

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.add(paid(5))
        return Effect("UPDATE no_such_table SET name = NULL FROM item", {})

    with pytest.raises(DBAPIError):
        jobs.work(event, perform)
    assert jobs.sql("SELECT state, reason_code FROM job_items") == [("ready", "internal")]
    assert jobs.get(job_id).spend.spent_micros == 5


def claim(jobs: Jobs, job_id: UUID, claim_id: UUID | None = None) -> Claim | None:
    """Claims the first item."""
    return leases.claim(
        jobs.engine,
        LOCAL_WORKSPACE,
        job_id,
        item_id(job_id, 0),
        kind="focus_group",
        reserve_micros=30,
        claim_id=claim_id,
    )


def test_a_claim_whose_reply_was_lost_is_worked_on_all_the_same(jobs: Jobs, lose_reply: LoseReply) -> None:
    """It is repeated over another connection and finds its own lease: one attempt, one reservation, one result."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    lose_reply(CLAIMS)

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        assert (claim.attempts, claim.token, claim.reserved_micros) == (1, 1, 30)
        assert jobs.get(job_id).spend.reserved_micros == 30
        return NOTHING

    jobs.work(jobs.asked()[0], perform, reserve_micros=30)
    job = jobs.get(job_id)
    assert (job.state, job.spend.reserved_micros) == ("completed", 0)


def test_a_claim_is_repeated_while_the_database_stays_away(
    jobs: Jobs, lose_reply: LoseReply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that cannot be reached for a while after it had granted a claim does not cost the lease."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    for _ in range(5):
        lose_reply(CLAIMS)
    jobs.work(jobs.asked()[0])
    assert jobs.get(job_id).state == "completed"
    assert jobs.sql("SELECT attempts FROM job_items") == [(1,)]
    monkeypatch.setattr(work, "CLAIM_SECONDS", 0.0)
    second = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    lose_reply(CLAIMS)
    lose_reply(CLAIMS)
    with pytest.raises(DBAPIError):
        jobs.work(jobs.asked()[0])
    assert jobs.get(second).state == "running"


def test_only_who_made_a_claim_has_it_again(jobs: Jobs) -> None:
    """The same claim id finds the lease, also of a job that was stopped since, but not once it was given up."""
    job_id = jobs.accept(total=3)
    jobs.fan_out()
    claim_id = uuid4()
    first = claim(jobs, job_id, claim_id)
    assert first is not None
    with pytest.raises(ItemBusy):
        claim(jobs, job_id)
    with autocommit(jobs.engine) as connection:
        stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled")
    again = claim(jobs, job_id, claim_id)
    assert again is not None
    assert (again.item_id, again.token, again.attempts, again.spec) == (first.item_id, 1, 1, first.spec)
    outcomes.release(jobs.engine, first, code="x", reason="x", calls=[])
    assert claim(jobs, job_id, claim_id) is None


@pytest.mark.parametrize("flow", ["chain", "rounds", "parallel"])
def test_a_result_whose_reply_was_lost_is_recorded_once_and_goes_on(
    jobs: Jobs, lose_reply: LoseReply, flow: str
) -> None:
    """The repeat answers what the first would have: the events of it are published without a sweep."""
    job_id = jobs.accept(flow=flow, rounds=1 if flow == "parallel" else 3)

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        calls.add(paid(5))
        lose_reply(RECORDS)
        return NOTHING

    assert sorted(jobs.run(perform)) == list(range(6))
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.version, job.spend.spent_micros) == ("completed", 6, 7, 30)
    assert len(jobs.bus.take(RESULTS)) == 1
    assert jobs.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_a_failure_whose_reply_was_lost_is_recorded_once(jobs: Jobs, lose_reply: LoseReply) -> None:
    """A claim that has failed its item has not done it: only the same outcome is answered again."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    held = claim(jobs, job_id)
    assert held is not None
    failed = outcomes.fail(jobs.engine, held, code="x", reason="x", calls=[paid(5)])
    assert failed
    assert outcomes.fail(jobs.engine, held, code="x", reason="x", calls=[paid(5)]) == failed
    assert outcomes.finish(jobs.engine, held, NOTHING, []) is None
    assert (jobs.get(job_id).items.failed, jobs.get(job_id).spend.spent_micros) == (1, 5)


def test_an_item_whose_handing_over_was_not_heard_is_asked_for_once(jobs: Jobs) -> None:
    """The repeat finds the event that asks for it."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    held = claim(jobs, job_id)
    assert held is not None
    handed = outcomes.hand_over(jobs.engine, held, code="x", reason="x", calls=[paid(5)])
    assert len(handed) == 1
    assert outcomes.hand_over(jobs.engine, held, code="x", reason="x", calls=[paid(5)]) == handed
    assert jobs.get(job_id).spend.spent_micros == 5
