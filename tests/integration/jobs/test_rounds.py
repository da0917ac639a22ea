"""Jobs whose items wait for rounds, of one size or of sizes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from common.database.engine import autocommit
from common.errors import InvalidInput
from common.events.models import RoundCompleted
from common.ids import new_id
from common.jobs import fan_out, reopen, stops
from common.jobs.errors import JobNotFound
from common.jobs.models import Claim, Effect
from common.jobs.sweep import sweep
from common.llm.port import Calls
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import NOTHING, Jobs, lay_out, lay_out_some

SIZES = [4, 2, 1]
ORDER = [[0, 1, 2, 3], [4, 5], [6]]


def accept(jobs: Jobs, sizes: Sequence[int] = SIZES) -> UUID:
    """Accepts a job of rounds of these sizes, its items round by round."""
    return jobs.accept(
        flow="rounds", total=sum(sizes), rounds=len(sizes), round_sizes=sizes, spec={"sizes": list(sizes)}
    )


def resume(jobs: Jobs, job_id: UUID) -> None:
    """Runs what failed or was skipped again, as the sweeper asks for it."""
    with jobs.engine.begin() as connection:
        pending = reopen.reopen(connection, LOCAL_WORKSPACE, job_id, resume=True)
    jobs.relay.send(pending)
    sweep(jobs.engine, jobs.relay)


def stop(jobs: Jobs, job_id: UUID) -> None:
    """Stops the job and forgets the messages on their way."""
    with autocommit(jobs.engine) as connection:
        jobs.relay.send(stops.stop(connection, LOCAL_WORKSPACE, job_id, "budget"))
    jobs.fan_out()
    jobs.asked()


def in_rounds(order: Sequence[int]) -> list[list[int]]:
    """The positions worked, cut where the rounds end, and in order within each."""
    return [sorted(part) for part in (order[:4], order[4:6], order[6:]) if part]


def open_items(jobs: Jobs, job_id: UUID) -> list[int]:
    """How many items of each round are open."""
    rows = jobs.sql("SELECT open FROM job_rounds WHERE job_id = :id ORDER BY round", id=job_id)
    return [row.open for row in rows]


def test_a_job_with_rounds_of_its_own_sizes_runs_them_in_order(jobs: Jobs) -> None:
    """Each round has the size it was accepted with."""
    job_id = accept(jobs)
    assert open_items(jobs, job_id) == SIZES
    assert in_rounds(jobs.run()) == ORDER
    assert jobs.get(job_id).state == "completed"


@pytest.mark.parametrize("laid_out", [0, 3, 6, 7])
def test_resuming_gives_each_round_what_is_missing_of_it(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, laid_out: int
) -> None:
    """However many items were laid out when the job was stopped, no round begins before the one before has ended."""
    job_id = accept(jobs)
    if laid_out == sum(SIZES):
        jobs.fan_out()
    elif laid_out:
        lay_out_some(jobs, monkeypatch, laid_out)
    stop(jobs, job_id)
    resume(jobs, job_id)
    assert open_items(jobs, job_id) == SIZES
    assert in_rounds(jobs.run()) == ORDER
    job = jobs.get(job_id)
    assert (job.state, job.items.done, job.items.skipped) == ("completed", 7, 0)
    assert open_items(jobs, job_id) == [0, 0, 0]


def test_a_job_stopped_between_rounds_goes_on_with_the_next(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resuming one whose rounds so far are done, and whose last is not laid out, begins with that."""
    job_id = accept(jobs)
    lay_out_some(jobs, monkeypatch, 6)
    assert in_rounds(jobs.run()) == ORDER[:2]
    stop(jobs, job_id)
    resume(jobs, job_id)
    assert open_items(jobs, job_id) == [0, 0, 1]
    assert jobs.run() == [6]
    assert jobs.get(job_id).state == "completed"


def test_a_round_laid_out_after_the_one_before_has_ended_begins_at_once(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody will come to open it: the news that the round before has ended found nothing waiting."""
    job_id = accept(jobs)
    again = lay_out_some(jobs, monkeypatch, 6)
    assert in_rounds(jobs.run()) == ORDER[:2]
    fan_out.expand(again, engine=jobs.engine, relay=jobs.relay, expanders={"focus_group": lay_out})
    assert jobs.run() == [6]
    assert jobs.get(job_id).state == "completed"


def test_news_of_a_round_that_comes_again_opens_no_other(jobs: Jobs) -> None:
    """Once round 1 has begun, a repeat of the end of round 0 leaves round 2 waiting."""
    job_id = accept(jobs)
    jobs.fan_out()
    for event in jobs.asked():
        jobs.work(event)
    jobs.bus.published *= 3
    jobs.fan_out()
    assert jobs.sql("SELECT position FROM job_items WHERE job_id = :id AND state = 'waiting'", id=job_id) == [(6,)]
    assert len(jobs.asked()) == SIZES[1]


def test_retrying_skips_rounds_with_nothing_left_to_do(jobs: Jobs) -> None:
    """What failed in the first and the last round runs again in that order, with nothing between."""
    job_id = accept(jobs)

    def perform(claim: Claim, calls: Calls, deadline: float) -> Effect:
        if claim.position in (1, 6):
            raise InvalidInput.of("x", "cannot be")
        return NOTHING

    jobs.run(perform)
    resume(jobs, job_id)
    assert open_items(jobs, job_id) == [1, 0, 1]
    assert jobs.run() == [1, 6]
    assert jobs.get(job_id).state == "completed"


def test_the_end_of_a_round_of_no_job_is_refused(jobs: Jobs) -> None:
    """It becomes a dead letter."""
    event = RoundCompleted(workspace_id=LOCAL_WORKSPACE, job_id=new_id(), round=0)
    with pytest.raises(JobNotFound):
        fan_out.open_next_round(event, engine=jobs.engine, relay=jobs.relay)
