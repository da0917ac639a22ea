"""Work on items while the database goes away and comes back."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from common.jobs import work
from common.jobs.models import Claim, Effect
from common.llm.port import Calls, ModelUnavailable
from tests.integration.jobs.conftest import NOTHING, Jobs


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


def test_a_result_the_database_refuses_is_not_tried_again(jobs: Jobs) -> None:
    """A statement that fails on a sound connection fails at once: trying again would change nothing."""
    jobs.accept(total=2, rounds=1, flow="parallel")
    jobs.fan_out()
    event = jobs.asked()[0]
    refused = Effect("UPDATE projects SET name = NULL FROM item", {})
    with pytest.raises(DBAPIError):
        jobs.work(event, lambda claim, calls, deadline: refused)
