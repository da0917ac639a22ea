"""Tests of following a job over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.client import Client
from cli.errors import Problem, Unreachable
from cli.watch import PATIENCE_SECONDS, STREAM_FAILURES, Progress, follow
from tests.integration.cli.fake_api import FakeApi, Say
from tests.unit.cli.samples import job

STREAM = "/jobs/j/events:stream"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.time.sleep", lambda seconds: None)


def stands(done: int, *, state: str = "running", failed: int = 0) -> dict[str, Any]:
    """A job of 4 with so many done; its version counts what happened."""
    return job(state=state, version=1 + done + failed, items={"done": done, "failed": failed})


def told(*jobs: dict[str, Any]) -> tuple[str, ...]:
    """What a stream says about these states: the event that led to each, then the state."""
    return tuple(
        f"id: {each['version']}\nevent: item_done\ndata: {{}}\n\nevent: job\ndata: {json.dumps(each)}\n\n"
        for each in jobs
    )


def done(updates: Iterator[Progress]) -> list[int]:
    """The counts of done items as they were told."""
    return [update.done for update in updates]


def watch(client: Client) -> Iterator[Progress]:
    """Follows the job without waiting."""
    return follow(client, "j", sleep=lambda seconds: None)


def test_follows_the_stream_to_the_end(api: FakeApi, client: Client) -> None:
    """Each state the stream tells is passed on, and the last one ends it without another request."""
    api.on("GET", "/jobs/j", Say(stands(0)))
    api.on("GET", STREAM, Say(stream=("retry: 1000\n\n", *told(stands(2), stands(4, state="completed")))))
    assert done(watch(client)) == [0, 2, 4]
    assert len(api.asked) == 2


def test_a_finished_job_is_not_streamed(api: FakeApi, client: Client) -> None:
    """A job that has ended is told once."""
    api.on("GET", "/jobs/j", Say(stands(4, state="completed")))
    assert done(watch(client)) == [4]


def test_resumes_after_the_last_event_when_the_connection_breaks(api: FakeApi, client: Client) -> None:
    """A stream cut off in the middle of a chunk is taken up where it broke, and nothing is told twice."""
    api.on("GET", "/jobs/j", Say(stands(0)), Say(status=304))
    api.on(
        "GET",
        STREAM,
        Say(stream=(*told(stands(1), stands(2)), "id: 4\nevent: job\nda"), cut=True),
        Say(stream=told(stands(2), stands(3), stands(4, state="completed"))),
    )
    assert done(watch(client)) == [0, 1, 2, 3, 4]
    assert [asked.headers["Last-Event-ID"] for asked in api.asked_for(STREAM)] == ["1", "3"]


def test_asks_now_and_then_when_there_is_no_stream(api: FakeApi, client: Client) -> None:
    """Without a stream the job is polled by its version, which an unchanged job answers with 304."""
    api.on(
        "GET",
        "/jobs/j",
        Say(stands(0)),
        Say(stands(1)),
        Say(status=304),
        Say(status=304),
        Say(stands(4, state="completed")),
    )
    api.on("GET", STREAM, Say({"detail": "no streams here"}, 404))
    assert done(watch(client)) == [0, 1, 4]
    assert len(api.asked_for(STREAM)) == STREAM_FAILURES
    assert api.asked_for("/jobs/j")[-1].headers["If-None-Match"] == 'W/"2"'


def test_a_server_that_serves_enough_streams_is_polled(api: FakeApi, client: Client) -> None:
    """503 for the stream is no reason to end."""
    api.on("GET", "/jobs/j", Say(stands(0)), Say(stands(4, state="completed")))
    api.on("GET", STREAM, Say({"code": "too_many_streams", "detail": "enough"}, 503, {"Retry-After": "5"}))
    assert done(watch(client)) == [0, 4]


def test_waits_for_a_server_that_is_away(api: FakeApi, client: Client) -> None:
    """A server that restarts in between is waited for, and the watching goes on."""
    api.on("GET", "/jobs/j", Say(stands(0)), *[Say(drop=True)] * 5, Say(stands(4, state="completed")))
    api.on("GET", STREAM, Say(drop=True))
    assert done(watch(client)) == [0, 4]


def test_gives_up_on_a_server_that_stays_away(api: FakeApi, client: Client) -> None:
    """After a while without an answer the watching ends and says that the job goes on."""
    api.on("GET", "/jobs/j", Say(stands(0)), Say(drop=True))
    api.on("GET", STREAM, Say(drop=True))
    now = iter(range(0, 10_000, int(PATIENCE_SECONDS)))
    with pytest.raises(Unreachable) as raised:
        list(follow(client, "j", sleep=lambda seconds: None, clock=lambda: next(now)))
    assert "sight watch j" in raised.value.hint


def test_a_key_that_is_refused_ends_it(api: FakeApi, client: Client) -> None:
    """Being refused is told at once."""
    api.on("GET", "/jobs/j", Say(stands(0)))
    api.on("GET", STREAM, Say({"code": "unauthenticated", "detail": "send the key"}, 401))
    with pytest.raises(Problem, match="send the key"):
        list(watch(client))


def test_an_unknown_job_is_a_problem(api: FakeApi, client: Client) -> None:
    """There is nothing to watch."""
    api.on("GET", "/jobs/j", Say({"code": "job_not_found", "detail": "there is no job j"}, 404))
    with pytest.raises(Problem, match="there is no job j"):
        list(watch(client))
