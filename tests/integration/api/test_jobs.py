"""Tests of the job routes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from common import shutdown
from common.ids import new_id
from common.jobs import stops
from common.jobs.accept import accept
from common.jobs.models import NewJob
from common.settings import LOCAL_WORKSPACE
from common.shutdown import Shutdown
from functions.api import sse
from tests.fixtures.api import Api


@pytest.fixture
def job_id(api: Api) -> str:
    """A running job of three items, none of them laid out."""
    job = NewJob(
        id=new_id(),
        project_id=UUID(api.project()),
        kind="personas",
        flow="parallel",
        total=3,
        spec={},
        seed=1,
        simulated=True,
        request_hash="",
    )
    accept(api.services.engine, LOCAL_WORKSPACE, job)
    return str(job.id)


def add_event(api: Api, job_id: str) -> None:
    """Has something happen to a job."""
    api.sql(
        """
        WITH job AS (UPDATE jobs SET version = version + 1 WHERE id = :job RETURNING *)
        INSERT INTO job_events (job_id, sequence, workspace_id, type, payload)
        SELECT id, version, workspace_id, 'item_done', '{"state": "running"}' FROM job
        """,
        job=job_id,
    )


def end(api: Api, job_id: str) -> None:
    """Cancels a job."""
    with api.services.engine.begin() as connection:
        stops.stop(connection, LOCAL_WORKSPACE, UUID(job_id), "cancelled")


def told(chunks: Iterator[str]) -> Iterator[dict[str, str]]:
    """The events of a stream, each with its fields."""
    buffer = ""
    for chunk in chunks:
        buffer += chunk
        while "\n\n" in buffer:
            block, _, buffer = buffer.partition("\n\n")
            yield dict(line.split(": ", 1) for line in block.splitlines())


def test_an_unchanged_job_answers_304(api: Api, job_id: str) -> None:
    """The ETag follows the job's version, and an unchanged job is not sent again."""
    first = api.get(f"/jobs/{job_id}")
    assert first.headers["ETag"] == 'W/"1"'
    again = api.get(f"/jobs/{job_id}", If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", 'W/"1"')
    add_event(api, job_id)
    changed = api.get(f"/jobs/{job_id}", If_None_Match=first.headers["ETag"])
    assert (changed.status_code, changed.headers["ETag"]) == (200, 'W/"2"')


def test_jobs_are_listed_by_project(api: Api, job_id: str) -> None:
    """A job is in the list of its project and in no other."""
    project_id = api.read(f"/jobs/{job_id}")["project_id"]
    assert [job["id"] for job in api.read(f"/jobs?project_id={project_id}")["items"]] == [job_id]
    assert api.read(f"/jobs?project_id={new_id()}")["items"] == []


def test_events_are_listed_after_a_sequence(api: Api, job_id: str) -> None:
    """`after` skips what is known already."""
    add_event(api, job_id)
    add_event(api, job_id)
    assert [event["sequence"] for event in api.read(f"/jobs/{job_id}/events?after=1")["items"]] == [2, 3]
    assert [event["sequence"] for event in api.read(f"/jobs/{job_id}/events?limit=1")["items"]] == [1]


def test_a_running_job_can_be_cancelled_once(api: Api, job_id: str) -> None:
    """Cancelling ends the job; doing it again is a conflict."""
    cancelled: Any = api.post(f"/jobs/{job_id}:cancel").json
    assert (cancelled["state"], cancelled["stop_reason"]) == ("cancelled", "cancelled")
    again: Any = api.post(f"/jobs/{job_id}:cancel").json
    assert (again["status"], again["code"]) == (409, "job_not_open")


def test_a_cancelled_job_is_resumed(api: Api, job_id: str) -> None:
    """Retrying runs only what failed; resuming also what was skipped, and asks for it on the bus."""
    api.post(f"/jobs/{job_id}:cancel")
    refused: Any = api.post(f"/jobs/{job_id}:retry", {}).json
    assert refused["code"] == "nothing_to_retry"
    api.bus.published.clear()
    resumed = api.post(f"/jobs/{job_id}:retry", {"resume": True, "budget_usd": 2})
    job: Any = resumed.json
    assert (resumed.status_code, job["state"], job["spend"]["budget_micros"]) == (202, "running", 2_000_000)
    assert [topic for topic, _ in api.bus.published] == ["sight-jobs"]


def test_a_job_that_spent_its_budget_needs_a_new_one(api: Api, job_id: str) -> None:
    """Resuming without money to spend is refused, names the field, and changes nothing."""
    api.sql("UPDATE jobs SET budget_micros = 500000, spent_micros = 500000 WHERE id = :job", job=job_id)
    end(api, job_id)
    refused = api.post(f"/jobs/{job_id}:retry", {"resume": True})
    problem: Any = refused.json
    assert (refused.status_code, problem["errors"][0]["field"]) == (422, "budget_usd")
    assert api.read(f"/jobs/{job_id}")["state"] == "cancelled"
    assert api.post(f"/jobs/{job_id}:retry", {"resume": True, "budget_usd": 0.6}).status_code == 202


def test_a_job_of_a_deleted_project_is_not_retried(api: Api, job_id: str) -> None:
    """Nothing spends money for a project that is not there, until its deletion is taken back."""
    project_id = api.read(f"/jobs/{job_id}")["project_id"]
    assert api.delete(f"/projects/{project_id}").status_code == 204
    before = api.read(f"/jobs/{job_id}")
    api.bus.published.clear()
    refused: Any = api.post(f"/jobs/{job_id}:retry", {"resume": True}).json
    assert (refused["status"], refused["code"]) == (404, "project_not_found")
    assert (api.read(f"/jobs/{job_id}"), api.bus.published) == (before, [])
    assert api.post(f"/projects/{project_id}:undelete").status_code == 200
    assert api.post(f"/jobs/{job_id}:retry", {"resume": True}).status_code == 202


def test_a_bus_that_is_down_does_not_fail_the_request(api: Api, job_id: str) -> None:
    """What was committed stands, and its event waits in the outbox for the sweeper."""
    api.bus.broken = True
    assert api.post(f"/jobs/{job_id}:cancel").status_code == 200
    assert api.sql("SELECT count(*) FROM outbox WHERE event ->> 'type' = 'sight.job.finished.v1'")[0][0] > 0


def test_a_stream_tells_everything_and_ends_with_the_job(api: Api, job_id: str) -> None:
    """Events come in order with their sequence as id, then how the job stands, and the stream ends."""
    add_event(api, job_id)
    end(api, job_id)
    response = api.get(f"/jobs/{job_id}/events:stream")
    assert response.mimetype == "text/event-stream"
    events = list(told(iter([response.get_data(as_text=True)])))
    assert [event.get("id") for event in events] == [None, "1", "2", "3", None]
    assert [event.get("event") for event in events[1:]] == ["accepted", "item_done", "stopped", "job"]
    assert json.loads(events[-1]["data"]) == api.read(f"/jobs/{job_id}")


@pytest.mark.parametrize("path", ["events:stream?after=1", "events?after=1"])
def test_a_stream_resumes_after_the_last_event_received(api: Api, job_id: str, path: str) -> None:
    """Last-Event-ID wins over what the address says, as a browser repeats the address."""
    add_event(api, job_id)
    end(api, job_id)
    response = api.get(f"/jobs/{job_id}/{path}", Last_Event_ID="2", Accept="text/event-stream")
    events = list(told(iter([response.get_data(as_text=True)])))
    assert [event["id"] for event in events if "id" in event] == ["3"]


def test_a_stream_with_nothing_left_to_tell_is_not_reopened(api: Api, job_id: str) -> None:
    """204 has a browser stop reconnecting to the stream of an ended job."""
    end(api, job_id)
    assert api.get(f"/jobs/{job_id}/events:stream", Last_Event_ID="2").status_code == 204


def test_a_stream_follows_a_running_job(api: Api, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens while the stream is open is told, and the end of the job ends it."""
    steps = iter([add_event, add_event, end])
    monkeypatch.setattr(time, "sleep", lambda _seconds: next(steps)(api, job_id))
    response = api.get(f"/jobs/{job_id}/events:stream")
    events = list(told(chunk.decode() for chunk in response.iter_encoded()))
    assert [event["id"] for event in events if "id" in event] == ["1", "2", "3", "4"]
    assert [json.loads(event["data"])["version"] for event in events if event.get("event") == "job"] == [1, 2, 3, 4]


def test_a_silent_stream_is_kept_alive(api: Api, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment now and then keeps proxies from closing the connection."""
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.0)
    steps = iter([lambda *_: None, lambda *_: None, end])
    monkeypatch.setattr(time, "sleep", lambda _seconds: next(steps)(api, job_id))
    assert ": still here\n\n" in api.get(f"/jobs/{job_id}/events:stream").get_data(as_text=True)


def test_a_stream_ends_with_its_process(api: Api, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is to end does not wait for the job; the reader resumes at another."""
    monkeypatch.setattr(shutdown, "PROCESS", ending := Shutdown())
    monkeypatch.setattr(time, "sleep", lambda _seconds: ending.begin())
    events = list(told(iter([api.get(f"/jobs/{job_id}/events:stream").get_data(as_text=True)])))
    assert [event["id"] for event in events if "id" in event] == ["1"]


def test_streams_leave_room_for_everything_else(api: Api, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When as many streams are open as may be, another is refused until one closes."""
    limit = api.services.settings.worker_threads // 2
    monkeypatch.setattr(sse, "POLL_SECONDS", 0.0)
    opened = [api.get(f"/jobs/{job_id}/events:stream") for _ in range(limit)]
    refused = api.get(f"/jobs/{job_id}/events:stream")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    opened.pop().close()
    opened.append(api.get(f"/jobs/{job_id}/events:stream"))
    assert opened[-1].status_code == 200
    for response in opened:
        response.close()


def test_a_head_request_holds_no_stream(api: Api, job_id: str) -> None:
    """HEAD tells what GET would and gives its place back."""
    for _ in range(api.services.settings.worker_threads):
        response = api.ask("HEAD", f"/api/v1/jobs/{job_id}/events:stream")
        assert response.status_code == 200
        response.close()
