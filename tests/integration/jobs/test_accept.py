"""Accepting a job, with what goes along with it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from common.ids import new_id
from common.jobs.accept import Along, accept, find_repeat
from common.jobs.errors import IdempotencyKeyReused
from common.projects.service import delete_project
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import Jobs


def test_an_idempotency_key_names_one_request(jobs: Jobs) -> None:
    """The same request finds its job; another request with the same key is refused."""
    job_id = jobs.accept(idempotency_key="k", request_hash="one")
    assert find_repeat(jobs.engine, LOCAL_WORKSPACE, "k", "one") == jobs.get(job_id)
    assert find_repeat(jobs.engine, LOCAL_WORKSPACE, "other", "one") is None
    with pytest.raises(IdempotencyKeyReused):
        find_repeat(jobs.engine, LOCAL_WORKSPACE, "k", "two")


def test_what_goes_along_with_a_job_is_written_with_it_or_not_at_all(jobs: Jobs) -> None:
    """Where the condition does not hold nothing is written, and nothing is left to publish."""
    renamed = "renamed AS (UPDATE projects SET name = :a_name FROM job WHERE projects.id = job.project_id)"
    for condition, name in (("false", "Test"), ("true", "Renamed")):
        along = Along(condition=condition, writes=f", {renamed}", parameters={"a_name": "Renamed"})
        accepted = accept(jobs.engine, LOCAL_WORKSPACE, jobs.new(), along)
        assert (accepted is None) == (condition == "false")
        with jobs.engine.connect() as connection:
            assert connection.execute(text("SELECT name FROM projects")).scalar_one() == name
            assert connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == (name == "Renamed")


def test_an_accepted_job_is_the_one_that_is_read(jobs: Jobs) -> None:
    """What accepting answers is what anyone reads of the job a moment later."""
    accepted = accept(jobs.engine, LOCAL_WORKSPACE, jobs.new(budget_micros=5, subject_id=new_id()))
    assert accepted is not None
    assert accepted.job == jobs.get(accepted.job.id)


def test_a_job_of_a_project_that_was_just_deleted_is_not_accepted(jobs: Jobs) -> None:
    """Whoever looked before it was deleted would have work done, and paid, for nobody."""
    new = jobs.new()
    delete_project(jobs.engine, jobs.relay, LOCAL_WORKSPACE, jobs.project_id)
    assert accept(jobs.engine, LOCAL_WORKSPACE, new) is None
    assert jobs.sql("SELECT count(*) FROM jobs") == [(0,)]
