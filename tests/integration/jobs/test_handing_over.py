"""What becomes of items whose process ends while it works on them."""

from __future__ import annotations

import os

import pytest

from common.bus.port import BusUnavailable
from common.ids import item_id
from common.jobs import leases
from common.jobs.models import Claim, Effect
from common.jobs.sweep import give_up
from common.llm.port import Call, Calls
from common.settings import LOCAL_WORKSPACE
from common.shutdown import ShuttingDown
from tests.integration.jobs.conftest import Jobs


def interrupted(claim: Claim, calls: Calls, deadline: float) -> Effect:
    """Fails as the model does in a process that is to end, after a first call that was paid for."""
    calls.add(Call("answer", "gemini", "m", "h", 10, 5, 0, 20, 100, False, False, "ok"))
    raise ShuttingDown("this process is about to end")


def rows(jobs: Jobs) -> list[tuple[str, int]]:
    """The state and the attempts of each item."""
    return [tuple(row) for row in jobs.sql("SELECT state, attempts FROM job_items ORDER BY position")]


def test_an_interrupted_item_is_asked_for_again_at_once(jobs: Jobs) -> None:
    """It is free, its attempt does not count, what it cost does, and its delivery is done with: another asks for it."""
    job_id = jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    [event] = jobs.asked()
    for _ in range(5):
        jobs.work(event, interrupted, reserve_micros=30)
        assert rows(jobs) == [("ready", 0)]
        assert [again.item_id for again in jobs.asked()] == [event.item_id]
    assert (jobs.get(job_id).spend.spent_micros, jobs.get(job_id).spend.reserved_micros) == (100, 0)
    jobs.work(event)
    assert jobs.get(job_id).state == "completed"
    assert jobs.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_an_interrupted_item_comes_again_while_the_bus_is_down(jobs: Jobs) -> None:
    """Its delivery is refused, and its event waits in the outbox."""
    jobs.accept(total=1, rounds=1)
    jobs.fan_out()
    [event] = jobs.asked()
    jobs.bus.broken = True
    with pytest.raises(BusUnavailable):
        jobs.work(event, interrupted)
    assert rows(jobs) == [("ready", 0)]
    assert jobs.sql("SELECT event ->> 'item_id' FROM outbox") == [(str(event.item_id),)]


@pytest.mark.parametrize("counted", [True, False])
def test_all_that_a_process_holds_is_given_up_together(jobs: Jobs, counted: bool) -> None:
    """Each item is free and asked for again, others are left alone; the attempts of one that died count."""
    job_id = jobs.accept(total=4, rounds=1, flow="parallel")
    jobs.fan_out()
    asked = jobs.asked()
    for event in asked[:3]:
        claim = leases.claim(jobs.engine, LOCAL_WORKSPACE, job_id, event.item_id, kind="focus_group", reserve_micros=0)
        assert claim
    jobs.sql("UPDATE job_items SET lease_owner = 'another' WHERE id = :id", id=item_id(job_id, 2))
    assert give_up(jobs.engine, jobs.relay, leases.owner(), counted=counted) == 2
    attempts = 1 if counted else 0
    assert rows(jobs) == [("ready", attempts), ("ready", attempts), ("leased", 1), ("ready", 0)]
    assert {event.item_id for event in jobs.asked()} == {item_id(job_id, position) for position in range(2)}
    assert give_up(jobs.engine, jobs.relay, leases.owner(), counted=counted) == 0
    assert jobs.asked() == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the child does nothing that could deadlock
def test_no_two_processes_hold_leases_under_one_name() -> None:
    """Not even where host names and process ids are alike, as on Cloud Run; within a process it stays."""
    name = leases.owner()
    assert leases.owner() == name
    assert name.count(":") == 2
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, leases.owner().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000).decode() != name
    os.close(read)
    os.close(write)
