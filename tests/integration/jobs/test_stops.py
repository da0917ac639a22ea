"""What a job that was stopped says of itself, and that the trace goes on from it."""

from __future__ import annotations

import pytest

from common.bus.topology import EVENTS, JOBS, RESULTS
from common.database.engine import autocommit
from common.errors import InvalidInput
from common.events.models import EVENT, JobAccepted
from common.ids import new_id
from common.jobs import fan_out, leases, outcomes, reopen, stops
from common.jobs.models import Claim, Effect
from common.jobs.sweep import sweep
from common.llm.port import Calls
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import Jobs, lay_out_some

TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


def traces(jobs: Jobs, topic: str) -> list[str]:
    """The trace contexts of what was published to a topic since it was last taken."""
    return [EVENT.validate_json(data).traceparent for data in jobs.bus.take(topic)]


@pytest.mark.parametrize("laid_out", [0, 3, 6])
def test_the_reasons_count_every_item_that_was_skipped(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, laid_out: int
) -> None:
    """Items that were never laid out were skipped for the same reason as those that were."""
    job_id = jobs.accept()

    def refuse(claim: Claim, calls: Calls, deadline: float) -> Effect:
        raise InvalidInput.of("x", "cannot be")

    if laid_out == 6:
        jobs.fan_out()
    else:
        lay_out_some(jobs, monkeypatch, laid_out)
    if laid_out:
        jobs.work(jobs.asked()[0], refuse)
    with autocommit(jobs.engine) as connection:
        stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled")
    reasons = {reason.code: (reason.detail, reason.items) for reason in jobs.get(job_id).reasons}
    failed = 1 if laid_out else 0
    assert reasons.pop("cancelled") == ("the job was cancelled", 6 - failed)
    assert reasons == ({"invalid_input": ("x: cannot be", 1)} if failed else {})


def test_the_reasons_of_what_stays_skipped_outlive_a_retry(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry runs what failed; what was never laid out is still skipped for the reason it was."""
    job_id = jobs.accept()

    def refuse(claim: Claim, calls: Calls, deadline: float) -> Effect:
        raise InvalidInput.of("x", "cannot be")

    lay_out_some(jobs, monkeypatch, 3)
    jobs.work(jobs.asked()[0], refuse)
    with autocommit(jobs.engine) as connection:
        stops.stop(connection, LOCAL_WORKSPACE, job_id, "deadline")
        reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=False)
    sweep(jobs.engine, jobs.relay)
    jobs.run()
    job = jobs.get(job_id)
    assert (job.state, job.items.skipped, job.stop_reason) == ("partial", 5, None)
    assert [(reason.code, reason.items) for reason in job.reasons] == [("deadline", 5)]


def test_what_is_skipped_after_a_stop_is_skipped_for_its_reason(jobs: Jobs) -> None:
    """A job that was cancelled, and then could not go on, was cancelled."""
    job_id = jobs.accept()
    jobs.fan_out()
    first = leases.claim(
        jobs.engine, LOCAL_WORKSPACE, job_id, jobs.asked()[0].item_id, kind="focus_group", reserve_micros=0
    )
    assert first is not None
    with autocommit(jobs.engine) as connection:
        stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled")
    outcomes.release(jobs.engine, first, code="internal", reason="an unexpected error", calls=[])
    event = JobAccepted(workspace_id=LOCAL_WORKSPACE, job_id=job_id)
    fan_out.give_up(event, "no luck", engine=jobs.engine, relay=jobs.relay)
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason) == ("cancelled", "cancelled")
    assert [(reason.code, reason.detail, reason.items) for reason in job.reasons] == [
        ("cancelled", "the job was cancelled", 6)
    ]
    assert jobs.sql("SELECT DISTINCT reason FROM job_items") == [("the job was cancelled",)]


@pytest.mark.parametrize("laid_out", [False, True])
def test_a_job_that_cannot_go_on_ends_with_the_cause(jobs: Jobs, laid_out: bool) -> None:
    """What is done stays; giving it up again, or what is no job, changes nothing; resuming runs the rest."""
    job_id = jobs.accept(traceparent=TRACE)
    event = JobAccepted(workspace_id=LOCAL_WORKSPACE, job_id=job_id)
    if laid_out:
        jobs.fan_out()
        jobs.work(jobs.asked()[0])
    for _ in range(2):
        fan_out.give_up(event, "no\x00 luck", engine=jobs.engine, relay=jobs.relay)
    fan_out.give_up(event.model_copy(update={"job_id": new_id()}), "?", engine=jobs.engine, relay=jobs.relay)
    job, done = jobs.get(job_id), int(laid_out)
    assert (job.state, job.stop_reason, job.items.done) == ("partial" if laid_out else "failed", "error", done)
    assert [(r.code, r.detail, r.items) for r in job.reasons] == [
        ("error", "the job could not go on: no\ufffd luck", 6 - done)
    ]
    assert traces(jobs, RESULTS) == [TRACE]
    with jobs.engine.begin() as connection:
        pending = reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True)
    jobs.relay.send(pending)
    sweep(jobs.engine, jobs.relay)
    jobs.run()
    assert jobs.get(job_id).state == "completed"


def test_the_cause_stays_when_the_stop_is_finished_later(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item under way that is given back after the stop is skipped by the sweeper, and counted with the others."""
    job_id = jobs.accept()
    event = lay_out_some(jobs, monkeypatch, 3)
    [asked] = jobs.asked()
    claim = leases.claim(jobs.engine, LOCAL_WORKSPACE, job_id, asked.item_id, kind="focus_group", reserve_micros=0)
    assert claim is not None
    fan_out.give_up(event, "no luck", engine=jobs.engine, relay=jobs.relay)
    assert (jobs.get(job_id).state, jobs.get(job_id).items.skipped) == ("running", 5)
    outcomes.release(jobs.engine, claim, code="llm_unavailable", reason="down", calls=[])
    assert sweep(jobs.engine, jobs.relay).stopped == 1
    job = jobs.get(job_id)
    assert (job.state, job.stop_reason) == ("failed", "error")
    assert [(r.code, r.detail, r.items) for r in job.reasons] == [("error", "the job could not go on: no luck", 6)]


def test_the_trace_goes_on_through_a_stop_and_a_retry(jobs: Jobs) -> None:
    """The news of the end, and the layout of what runs again, belong to the trace of the request."""
    job_id = jobs.accept(traceparent=TRACE)
    jobs.bus.take(JOBS)
    with autocommit(jobs.engine) as connection:
        jobs.relay.send(stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled"))
    assert traces(jobs, RESULTS) == traces(jobs, EVENTS) == [TRACE]
    with jobs.engine.begin() as connection:
        jobs.relay.send(reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True))
    assert traces(jobs, JOBS) == [TRACE]


def test_a_job_that_runs_again_has_as_long_as_it_was_given(jobs: Jobs) -> None:
    """However often and however late: the time is that of the request, from then on."""
    job_id = jobs.accept(deadline_seconds=7200.0)
    for _ in range(2):
        with autocommit(jobs.engine) as connection:
            stops.stop(connection, LOCAL_WORKSPACE, job_id, "cancelled")
        for table, columns in (("jobs", ("created_at", "deadline_at")), ("job_events", ("created_at",))):
            shifted = ", ".join(f"{column} = {column} - interval '1 day'" for column in columns)
            jobs.sql(f"UPDATE {table} SET {shifted}")
        with jobs.engine.begin() as connection:
            reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True)
        left = jobs.sql("SELECT CAST(extract(epoch FROM deadline_at - now()) AS float8) FROM jobs")[0][0]
        assert 7100 < left <= 7200
