"""Tests of delayed requests, with the local stand-in for Cloud Tasks on the wire."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.error import URLError

import pytest

from common.tasks.cloud_tasks import CloudTasks
from common.tasks.port import HttpTask, TasksUnavailable
from local.cloud_tasks import TaskServer
from local.processes import free_port
from tests.fixtures.eventually import eventually
from tests.fixtures.serving import Asked, Said, serving


@dataclass
class Recorder:
    """A server that keeps what it is asked and answers with the statuses given, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes, float]] = field(default_factory=list)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A running recorder."""
    recorder = Recorder()

    def answer(asked: Asked) -> Said:
        recorder.requests.append((asked.path, dict(asked.headers.items()), asked.body, time.time()))
        return Said({"name": "tasks/1"}, recorder.statuses.pop(0) if recorder.statuses else 200)

    with serving(answer) as recorder.url:
        yield recorder


@pytest.fixture
def tasks() -> Iterator[TaskServer]:
    """A running stand-in."""
    server = TaskServer()
    yield server
    server.close()


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The reasons for which the stand-in could not make a request, in the order in which it tried."""
    found: list[object] = []
    urlopen = urllib.request.urlopen

    def noting(*args: Any, **options: Any) -> Any:
        try:
            return urlopen(*args, **options)
        except URLError as error:
            found.append(error.reason)
            raise

    monkeypatch.setattr("urllib.request.urlopen", noting)
    return found


def client(endpoint: str, **options: str) -> CloudTasks:
    """The adapter, speaking to an endpoint."""
    return CloudTasks(project="p", location="l", queue="q", endpoint=endpoint, **options)


def test_creates_tasks_as_cloud_tasks_takes_them(recorder: Recorder) -> None:
    """Each task is created in the queue with its request, its time and the token it is to carry."""
    adapter = client(recorder.url, service_account="push@p.iam.gserviceaccount.com", audience="https://sight")
    adapter.schedule([HttpTask("https://sight/answer", b'{"a": 1}'), HttpTask("https://sight/other", b"{}")], delay=90)
    adapter.close()
    assert [path.partition("?")[0] for path, *_ in recorder.requests] == [
        "/v2/projects/p/locations/l/queues/q/tasks"
    ] * 2
    task = json.loads(recorder.requests[0][2])["task"]
    assert task["httpRequest"]["url"] == "https://sight/answer"
    assert base64.b64decode(task["httpRequest"]["body"]) == b'{"a": 1}'
    assert task["httpRequest"]["headers"] == {"Content-Type": "application/json"}
    assert task["httpRequest"]["oidcToken"] == {
        "serviceAccountEmail": "push@p.iam.gserviceaccount.com",
        "audience": "https://sight",
    }
    assert task["scheduleTime"].endswith("Z")


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_a_refused_task_is_an_unavailable_service(recorder: Recorder, status: int) -> None:
    """When Cloud Tasks does not take a task the caller learns it and may try again."""
    recorder.statuses = [status] * 50
    adapter = client(recorder.url)
    with pytest.raises(TasksUnavailable):
        adapter.schedule([HttpTask("https://sight/answer", b"{}")], delay=1)
    adapter.close()


def test_a_task_is_made_in_its_time(recorder: Recorder, tasks: TaskServer) -> None:
    """The stand-in makes each request with its body and headers, and not before its time."""
    adapter = client(tasks.url)
    created = time.time()
    adapter.schedule([HttpTask(f"{recorder.url}/late", b'{"late": true}')], delay=0.8)
    adapter.schedule([HttpTask(f"{recorder.url}/soon", b"{}")], delay=0.1)
    eventually(lambda: len(recorder.requests) == 2)
    adapter.close()
    made = {path: (headers["Content-Type"], body, arrived) for path, headers, body, arrived in recorder.requests}
    kind, body, arrived = made["/late"]
    assert (kind, body) == ("application/json", b'{"late": true}')
    assert arrived >= created + 0.8
    assert made["/soon"][1] == b"{}"


def test_a_request_is_repeated_until_it_is_answered(recorder: Recorder, tasks: TaskServer) -> None:
    """A request that is answered with an error is made again."""
    recorder.statuses = [500, 503]
    adapter = client(tasks.url)
    adapter.schedule([HttpTask(f"{recorder.url}/work", b"{}")], delay=0.01)
    eventually(lambda: len(recorder.requests) == 3)
    adapter.close()


def test_an_endpoint_that_is_not_there_yet_is_waited_for(tasks: TaskServer, refusals: list[object]) -> None:
    """The stand-in tries an address that refuses connections again, until somebody listens there."""
    port = free_port()
    came: list[tuple[str, bytes]] = []

    def answer(asked: Asked) -> Said:
        came.append((asked.path, asked.body))
        return Said()

    adapter = client(tasks.url)
    adapter.schedule([HttpTask(f"http://127.0.0.1:{port}/work", b'{"a": 1}')], delay=0.01)
    adapter.close()
    eventually(lambda: len(refusals) >= 2)
    assert all(isinstance(reason, ConnectionRefusedError) for reason in refusals)
    with serving(answer, port=port):
        eventually(lambda: came)
    assert came == [("/work", b'{"a": 1}')]


def test_closing_the_stand_in_ends_the_waiting(recorder: Recorder, refusals: list[object]) -> None:
    """What is still to be made is forgotten: nobody gets a request from a stack that has ended."""
    tasks = TaskServer()
    adapter = client(tasks.url)
    recorder.statuses = [503] * 50
    adapter.schedule([HttpTask(f"{recorder.url}/work", b"{}")], delay=0.01)
    adapter.close()
    eventually(lambda: refusals)
    tasks.close()
    made = len(recorder.requests)
    time.sleep(0.5)  # longer than it waits with the next try
    assert len(recorder.requests) == made


def test_the_client_is_made_for_the_first_task() -> None:
    """A process that never delays anything loads nothing for it, and closes nothing."""
    script = (
        "import sys; from common.tasks.cloud_tasks import CloudTasks; "
        "CloudTasks(project='p', location='l', queue='q').close(); print('google.cloud.tasks_v2' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
