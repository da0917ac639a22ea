"""What the sweeper sets going again, and what it leaves alone."""

from __future__ import annotations

from uuid import UUID

import pytest

from common.bus.port import BusUnavailable
from common.bus.topology import JOBS, RESULTS
from common.database.engine import autocommit
from common.events import outbox
from common.events.models import EVENT, JobFinished
from common.ids import item_id
from common.jobs import ends, fan_out, leases, reopen, stops
from common.jobs.sweep import sweep
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import Jobs, lay_out_some

TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


def wait_long(jobs: Jobs) -> None:
    """Has nothing been heard of any job for ten minutes."""
    jobs.sql("UPDATE job_events SET created_at = created_at - interval '10 minutes'")


def test_leases_and_deadlines_do_not_wait_for_the_bus(jobs: Jobs) -> None:
    """While nothing can be published leases are freed and jobs end; the news of it is published later."""
    late, job_id = jobs.accept(total=3), jobs.accept()
    jobs.fan_out()
    first = item_id(job_id, 0)
    assert leases.claim(jobs.engine, LOCAL_WORKSPACE, job_id, first, kind="focus_group", reserve_micros=0) is not None
    jobs.sql("UPDATE job_items SET lease_until = now() - interval '1 second' WHERE id = :id", id=first)
    jobs.sql("UPDATE jobs SET deadline_at = now() - interval '1 second' WHERE id = :id", id=late)
    jobs.bus.broken = True
    with pytest.raises(BusUnavailable):
        sweep(jobs.engine, jobs.relay)
    assert jobs.get(late).stop_reason == "deadline"
    assert jobs.sql("SELECT state FROM job_items WHERE id = :id", id=first) == [("ready",)]
    jobs.bus.broken = False
    jobs.sql("UPDATE outbox SET created_at = now() - interval '1 minute'")
    sweep(jobs.engine, jobs.relay)
    assert [EVENT.validate_json(data).job_id for data in jobs.bus.take(RESULTS)] == [late]


def test_a_job_accepted_while_its_project_was_deleted_is_cancelled(jobs: Jobs) -> None:
    """Neither saw the other: nobody would look at what the job makes, and somebody pay for it."""
    job_id = jobs.accept()
    jobs.sql("UPDATE projects SET deleted_at = now()")
    assert sweep(jobs.engine, jobs.relay).stopped == 1
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason) == ("cancelled", "cancelled")
    assert sweep(jobs.engine, jobs.relay).stopped == 0


@pytest.mark.parametrize("laid_out", [0, 3])
@pytest.mark.parametrize("flow", ["chain", "rounds"])
def test_a_layout_whose_event_was_lost_is_asked_for_again(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, flow: str, laid_out: int
) -> None:
    """Once nothing was heard of the job for a while, and once in that time; it then runs to its end."""
    job_id = jobs.accept(flow=flow, traceparent=TRACE)
    if laid_out:
        lay_out_some(jobs, monkeypatch, laid_out)
    else:
        jobs.bus.take(JOBS)
    assert sweep(jobs.engine, jobs.relay).asked == 0
    wait_long(jobs)
    assert sweep(jobs.engine, jobs.relay).asked == 1
    assert sweep(jobs.engine, jobs.relay).asked == 0
    assert jobs.events(job_id)[-1][1] == "asked_again"
    assert [message.attributes["traceparent"] for topic, message in jobs.bus.published if topic == JOBS] == [TRACE]
    assert sorted(jobs.run()) == list(range(6))
    assert jobs.get(job_id).state == "completed"


def test_a_job_that_nothing_carries_on_ends(jobs: Jobs) -> None:
    """Whoever lays it out dies of it each time: after an hour of asking it ends, says so, and can be resumed."""
    job_id = jobs.accept()
    for _ in range(fan_out.MOST_ASKED):
        wait_long(jobs)
        assert sweep(jobs.engine, jobs.relay).asked == 1
    wait_long(jobs)
    sweep(jobs.engine, jobs.relay)
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason, job.items.skipped) == ("failed", "error", 6)
    assert job.reasons[0].detail == "the job could not go on: nothing came of asking 30 times"
    jobs.bus.take(JOBS)
    with jobs.engine.begin() as connection:
        pending = reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True)
    wait_long(jobs)
    jobs.relay.send(pending)
    assert sweep(jobs.engine, jobs.relay).asked == 1
    jobs.run()
    assert jobs.get(job_id).state == "completed"


def test_a_layout_whose_event_waits_for_the_bus_is_not_asked_for_again(jobs: Jobs) -> None:
    """The outbox has it: it will be published from there."""
    jobs.bus.broken = True
    with pytest.raises(BusUnavailable):
        jobs.accept()
    jobs.bus.broken = False
    wait_long(jobs)
    assert sweep(jobs.engine, jobs.relay).asked == 0
    jobs.sql("UPDATE outbox SET created_at = now() - interval '1 minute'")
    assert sweep(jobs.engine, jobs.relay).published == 1
    assert len(jobs.bus.take(JOBS)) == 1


def test_a_round_whose_beginning_was_lost_is_asked_for_again(jobs: Jobs) -> None:
    """All answers of a round are there, and nobody heard of it: the next one begins after all."""
    job_id = jobs.accept(flow="rounds")
    jobs.fan_out()
    for event in jobs.asked():
        jobs.work(event)
    assert len(jobs.bus.take(JOBS)) == 1
    wait_long(jobs)
    assert sweep(jobs.engine, jobs.relay).asked == 1
    assert sorted(jobs.run()) == [1, 2, 4, 5]
    assert jobs.get(job_id).state == "completed"


def test_a_round_that_waits_for_the_one_before_is_left_alone(jobs: Jobs) -> None:
    """However long an answer takes, nothing of the next round is asked for."""
    job_id = jobs.accept(flow="rounds")
    jobs.fan_out()
    slow, _ = jobs.asked()
    claimed = leases.claim(jobs.engine, LOCAL_WORKSPACE, job_id, slow.item_id, kind="focus_group", reserve_micros=0)
    assert claimed is not None
    wait_long(jobs)
    assert sweep(jobs.engine, jobs.relay).asked == 0
    assert jobs.bus.published == []


def test_a_job_that_was_stopped_is_not_asked_for_again(jobs: Jobs) -> None:
    """What is under way is recorded, and the rest stays skipped."""
    job_id = jobs.accept()
    jobs.fan_out()
    [first, _] = jobs.asked()
    leases.claim(jobs.engine, LOCAL_WORKSPACE, job_id, first.item_id, kind="focus_group", reserve_micros=0)
    with autocommit(jobs.engine) as connection:
        stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled")
    wait_long(jobs)
    assert sweep(jobs.engine, jobs.relay).asked == 0


def test_an_end_that_nobody_heard_is_told_again(jobs: Jobs) -> None:
    """The event of it was lost: once some time has passed it is told again, then once an hour, for a day."""
    job_id = jobs.accept(total=1, traceparent=TRACE)
    jobs.run()
    (lost,) = jobs.bus.take(RESULTS)
    assert sweep(jobs.engine, jobs.relay).asked == 0
    end(jobs, "10 minutes")
    assert sweep(jobs.engine, jobs.relay).asked == 1
    (again,) = jobs.bus.take(RESULTS)
    assert EVENT.validate_json(again) == EVENT.validate_json(lost).model_copy(update={"id": ids(again)})
    assert sweep(jobs.engine, jobs.relay).asked == 0
    jobs.sql("UPDATE events_seen SET seen_at = now() - interval '2 hours'")
    assert sweep(jobs.engine, jobs.relay).asked == 1
    jobs.sql("UPDATE events_seen SET seen_at = now() - interval '2 hours'")
    end(jobs, "2 days")
    assert sweep(jobs.engine, jobs.relay).asked == 0
    assert jobs.get(job_id).state == "completed"


def test_an_end_that_was_heard_or_waits_for_the_bus_is_not_told_again(jobs: Jobs) -> None:
    """Of a job that ran again and ended anew the later end is another."""
    job_id = jobs.accept(total=1)
    jobs.run()
    event = EVENT.validate_json(jobs.bus.take(RESULTS)[0])
    assert isinstance(event, JobFinished)
    for _ in range(2):
        with ends.hearing(jobs.engine, event):
            pass
    end(jobs, "10 minutes")
    assert sweep(jobs.engine, jobs.relay).asked == 0
    with ends.hearing(jobs.engine, event):
        jobs.sql("UPDATE jobs SET version = version + 2 WHERE id = :id", id=job_id)
    with autocommit(jobs.engine) as connection:
        waiting = outbox.put(connection, LOCAL_WORKSPACE, [(RESULTS, event)])
    assert sweep(jobs.engine, jobs.relay).asked == 0
    jobs.relay.send(waiting)
    assert sweep(jobs.engine, jobs.relay).asked == 1


def test_an_end_whose_hearing_failed_is_told_again(jobs: Jobs) -> None:
    """Whoever begins what follows on it did not get through."""
    jobs.accept(total=1)
    jobs.run()
    event = EVENT.validate_json(jobs.bus.take(RESULTS)[0])
    assert isinstance(event, JobFinished)
    with pytest.raises(RuntimeError), ends.hearing(jobs.engine, event):
        raise RuntimeError
    end(jobs, "10 minutes")
    assert sweep(jobs.engine, jobs.relay).asked == 1


def test_ends_that_were_told_again_stand_in_the_way_of_none(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many nobody takes, the next one is told."""
    monkeypatch.setattr("common.jobs.sweep.LIMIT", 2)
    for expected in (2, 1, 0):
        for _ in range(2 if expected == 2 else expected):
            jobs.accept(total=1)
        jobs.run()
        end(jobs, "10 minutes")
        assert sweep(jobs.engine, jobs.relay).asked == expected


def end(jobs: Jobs, ago: str) -> None:
    """Has every job ended that long ago."""
    jobs.sql("UPDATE jobs SET finished_at = now() - CAST(:ago AS interval)", ago=ago)


def ids(data: bytes) -> UUID:
    """The id of an event."""
    return EVENT.validate_json(data).id
