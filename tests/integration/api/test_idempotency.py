"""A request that starts a job may be repeated: the same key and body answer the same job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from common.events.models import EVENT
from tests.fixtures.api import Api

BODY: dict[str, Any] = {
    "audience": {"name": "Adults", "dimensions": {"age": {"18-39": 0.4, "40+": 0.6}}},
    "size": 2,
}


@pytest.fixture
def path(api: Api) -> str:
    """Where panels are asked for."""
    return f"/projects/{api.project()}/personas:generate"


def test_the_job_is_accepted_with_its_address(api: Api, path: str) -> None:
    """202 comes with the job and where to follow it, and the job is on its way."""
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    response = api.post(path, BODY, traceparent=trace)
    job: Any = response.json
    assert response.status_code == 202
    assert api.read(response.headers["Location"].removeprefix("/api/v1")) == job
    assert (job["kind"], job["state"], job["items"]["total"], job["simulated"]) == ("personas", "running", 2, True)
    ((topic, message),) = api.bus.published
    event = EVENT.validate_json(message.data)
    assert (topic, str(event.job_id), event.traceparent) == ("sight-jobs", job["id"], trace)


def test_the_same_key_and_body_answer_the_same_job(api: Api, path: str) -> None:
    """A repeat starts nothing, however the body is written."""
    first: Any = api.post(path, BODY, Idempotency_Key="k1").json
    again: Any = api.post(path, dict(reversed(BODY.items())), Idempotency_Key="k1").json
    assert again["id"] == first["id"]
    assert api.sql("SELECT count(*) FROM jobs") == [(1,)]


def test_the_same_key_with_another_body_is_a_conflict(api: Api, path: str) -> None:
    """409 keeps a mistake from being answered with another request's job."""
    api.post(path, BODY, Idempotency_Key="k1")
    other = api.post(path, BODY | {"size": 3}, Idempotency_Key="k1")
    problem: Any = other.json
    assert (other.status_code, problem["code"]) == (409, "idempotency_key_reused")
    assert api.sql("SELECT count(*) FROM jobs") == [(1,)]


def test_without_a_key_every_request_is_its_own(api: Api, path: str) -> None:
    """Two requests without a key are two jobs."""
    api.post(path, BODY)
    api.post(path, BODY)
    assert api.sql("SELECT count(*) FROM jobs") == [(2,)]


def test_repeats_at_the_same_moment_start_one_job(api: Api, path: str) -> None:
    """However many arrive together, one job is made and all are answered with it."""

    def start(_: int) -> tuple[int, str]:
        client = api.client.application.test_client()
        response = client.post(f"/api/v1{path}", json=BODY, headers={"Idempotency-Key": "k1"})
        job: Any = response.json
        return response.status_code, job["id"]

    with ThreadPoolExecutor(5) as pool:
        answers = set(pool.map(start, range(10)))
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    assert api.sql("SELECT count(*) FROM jobs") == [(1,)]
    assert api.sql("SELECT count(*) FROM panels") == [(1,)]


def test_a_bus_that_is_down_does_not_lose_the_job(api: Api, path: str) -> None:
    """The job is accepted all the same, and its event waits for the sweeper."""
    api.bus.broken = True
    assert api.post(path, BODY).status_code == 202
    assert api.sql("SELECT count(*) FROM outbox") == [(1,)]
