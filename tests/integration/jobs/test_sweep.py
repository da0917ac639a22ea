"""Sweeping while the bus is down."""

from __future__ import annotations

import pytest

from common.bus.port import BusUnavailable
from common.bus.topology import RESULTS
from common.events.models import EVENT
from common.ids import item_id
from common.jobs import leases
from common.jobs.sweep import sweep
from common.settings import LOCAL_WORKSPACE
from tests.integration.jobs.conftest import Jobs


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
