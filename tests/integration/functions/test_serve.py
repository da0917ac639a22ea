"""The functions as their container serves them, and how its processes end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from common.bus.embedded import EmbeddedBus
from common.bus.embedded_schema import ensure_schema
from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.bus.topology import JOBS, PERSONAS
from common.events.models import EVENT, PersonaRequested
from common.shutdown import CALLS_SECONDS, HOLD_SECONDS, LIMIT_SECONDS
from local.processes import free_port
from tests.fakes.gemini.fixtures import FakeGemini
from tests.fixtures.api import Api, serve
from tests.fixtures.eventually import eventually

ROOT = Path(__file__).parents[3]
PANEL = {
    "audience": {"name": "Adults", "dimensions": {"age": {"18-39": 0.5, "40+": 0.5}}},
    "size": 2,
}


START_SECONDS = 90.0

HANGING = """
import time
from common.bootstrap import services
from common.events.models import PersonaRequested
from common.jobs.work import work
from functions.server import serve


def app(environ, start_response):
    event = PersonaRequested.model_validate_json(environ["wsgi.input"].read())
    s = services()
    hang = lambda claim, calls, deadline: time.sleep(1000)
    work(event, kind="personas", reserve_micros=0, engine=s.engine, relay=s.relay, perform=hang)


serve(app, bind=[f"127.0.0.1:{services().settings.port}"], processes=1, threads=4)
"""


@dataclass
class Container:
    """A running container of one function."""

    process: subprocess.Popen[str]
    port: int
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def ask(self, method: str = "GET", path: str = "/", body: bytes | None = None) -> int:
        """The status of the answer to a request over a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        finally:
            connection.close()

    def push(self, event: PersonaRequested) -> Future[int]:
        """Delivers an event as Pub/Sub does, and promises the status of the answer."""
        return self.post(to_push(Delivery("m1", "sight-personas-persona", event.model_dump_json().encode(), {})))

    def post(self, body: bytes) -> Future[int]:
        """Posts a body, and promises the status of the answer."""
        return self.threads.submit(self.ask, "POST", "/", body)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def begin_to_end(self) -> None:
        """Tells it to end, as Cloud Run does."""
        self.process.send_signal(signal.SIGTERM)

    def log(self) -> list[dict[str, Any]]:
        """All it logged, once it has ended. Fails where it would have to be killed."""
        _, said = self.process.communicate(timeout=LIMIT_SECONDS)
        assert self.process.returncode == 0
        return [json.loads(line) for line in said.splitlines()]

    def listens(self) -> bool:
        """Whether it takes connections."""
        connection = self.connect()
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True


@contextmanager
def container(function: str, *program: str, **settings: str) -> Iterator[Container]:
    """Runs a function's container, or another program in one, until it is ended, or to the end of the block."""
    port = free_port()
    own = {"FUNCTION_TARGET": function, "PORT": str(port), "SIGHT_WORKER_THREADS": "4"}
    environment = {**os.environ, **own, **settings}
    command = [sys.executable, *(program or ("-m", "functions.serve"))]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        found = Container(process, port)
        try:
            eventually(lambda: found.listens() or process.poll() is not None, within=START_SECONDS)
            assert process.poll() is None, process.communicate()[1]
            yield found
        finally:
            process.kill()
            found.threads.shutdown()


@pytest.fixture
def items(api: Api) -> list[PersonaRequested]:
    """The events that ask for the two personas of a new panel, on a database with an embedded bus."""
    ensure_schema(api.services.engine)
    api.post(f"/projects/{api.project()}/personas:generate", PANEL)
    client = serve("fan_out").test_client()
    for data in api.bus.take(JOBS):
        client.post("/", data=to_push(Delivery("m1", "s", data, {})))
    asked = [EVENT.validate_json(data) for data in api.bus.take(PERSONAS)]
    return [event for event in asked if isinstance(event, PersonaRequested)]


@pytest.fixture
def gemini(database_url: str, redis_url: str, fake_gemini: FakeGemini) -> dict[str, str]:
    """The settings of a function with a database, a Redis and a model."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "GOOGLE_API_KEY": "key",
        "SIGHT_GEMINI_ENDPOINT": fake_gemini.url,
    }


def states(api: Api) -> dict[str, tuple[str, int]]:
    """The state and the attempts of each item."""
    rows = api.sql("SELECT id, state, attempts FROM job_items")
    return {str(id_): (state, attempts) for id_, state, attempts in rows}


def asked_again(api: Api) -> list[str]:
    """The items asked for on the embedded bus that nobody has come for yet."""
    received = EmbeddedBus(api.services.engine).receive(10, owner="test")
    return [str(json.loads(each.delivery.data)["item_id"]) for each in received]


def nobody_is_connected(api: Api) -> bool:
    """Whether nobody but this test is connected to the database."""
    others = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()
    """
    return api.sql(others) == [(0,)]


def took(log: list[dict[str, Any]]) -> float:
    """How many seconds a process took to end, from when it was told to, by its log."""
    at = {line["message"]: datetime.fromisoformat(line["time"]) for line in log}
    assert log[-1]["message"] == "process_ended" or log[-2]["message"] == "process_ended"
    return (at["process_ended"] - at["shutdown_begun"]).total_seconds()


def test_a_call_that_ends_in_time_is_finished(
    api: Api, items: list[PersonaRequested], gemini: dict[str, str], fake_gemini: FakeGemini
) -> None:
    """A container told to end takes no connection more, and ends with what is under way."""
    fake_gemini.control(latency=1.0)
    with container("persona", **gemini) as running:
        answer = running.push(items[0])
        eventually(lambda: fake_gemini.counters()["calls"] == 1, within=START_SECONDS)
        running.begin_to_end()
        eventually(lambda: not running.listens())
        assert answer.result() == 204
        log = running.log()
    assert states(api)[str(items[0].item_id)] == ("done", 1)
    assert took(log) < CALLS_SECONDS
    assert nobody_is_connected(api)


def test_a_call_that_does_not_end_in_time_is_handed_over(
    api: Api, items: list[PersonaRequested], gemini: dict[str, str], fake_gemini: FakeGemini
) -> None:
    """It is broken off, its item is free as if it had not been tried, and another is asked for it at once."""
    fake_gemini.control(mode="hang")
    with container("persona", **gemini) as running:
        answer = running.push(items[0])
        eventually(lambda: fake_gemini.counters()["calls"] == 1, within=START_SECONDS)
        running.begin_to_end()
        log = running.log()
        assert answer.result() == 204
    assert set(states(api).values()) == {("ready", 0)}
    assert asked_again(api) == [str(items[0].item_id)]
    assert took(log) < HOLD_SECONDS
    assert nobody_is_connected(api)


def test_who_waits_to_try_again_hands_over_at_once(
    api: Api, items: list[PersonaRequested], gemini: dict[str, str], fake_gemini: FakeGemini
) -> None:
    """An item whose next call is due later is not kept for it."""
    fake_gemini.control(mode="rate_limited", retry_after=20.0)
    with container("persona", **gemini) as running:
        answer = running.push(items[0])
        eventually(lambda: fake_gemini.counters()["calls"] == 1, within=START_SECONDS)
        running.begin_to_end()
        log = running.log()
        assert answer.result() == 204
    assert set(states(api).values()) == {("ready", 0)}
    assert asked_again(api) == [str(items[0].item_id)]
    assert took(log) < CALLS_SECONDS


def test_what_cannot_be_broken_off_is_given_up(api: Api, items: list[PersonaRequested], database_url: str) -> None:
    """A thread that hangs keeps neither its items nor the process."""
    with container("", "-c", HANGING, DATABASE_URL=database_url) as running:
        pushed = [running.post(item.model_dump_json().encode()) for item in items]
        eventually(lambda: set(states(api).values()) == {("leased", 1)}, within=START_SECONDS)
        running.begin_to_end()
        log = running.log()
        assert all(isinstance(push.exception(), OSError | http.client.HTTPException) for push in pushed)
    assert set(states(api).values()) == {("ready", 0)}
    assert sorted(asked_again(api)) == sorted(str(item.item_id) for item in items)
    assert [line["items"] for line in log if line["message"] == "items_given_up"] == [2]
    eventually(lambda: nobody_is_connected(api))


def test_a_container_with_nothing_under_way_ends_at_once(api: Api, gemini: dict[str, str]) -> None:
    """Neither a stream nor a silent connection keeps it."""
    job: Any = api.post(f"/projects/{api.project()}/personas:generate", PANEL).json
    with container("api", **gemini) as running:
        silent, reading = running.connect(), running.connect()
        silent.request("GET", "/health")
        assert silent.getresponse().read()
        reading.request("GET", f"/api/v1/jobs/{job['id']}/events:stream")
        stream = reading.getresponse()
        while stream.readline() != b"event: job\n":
            pass
        running.begin_to_end()
        stream.read()
        reading.close()
        assert took(running.log()) < 2.0
        silent.close()
    assert nobody_is_connected(api)


def test_a_body_that_is_too_large_costs_no_other_request(gemini: dict[str, str]) -> None:
    """A refusal that leaves a body unread says that it is the last on its connection, so that nothing else is sent
    there and lost; whatever was read or is short leaves the connection as it was."""
    json_ = {"Content-Type": "application/json"}
    with container("api", **gemini) as running, requests.Session() as session:
        url = f"http://127.0.0.1:{running.port}"
        for path, status in [("/api/v1/projects", 413), ("/api/v1/nowhere", 404)] * 3:
            for body in (b"x" * 1_050_000, b"x" * 3_000_000, iter([b"x" * 100_000] * 30)):
                refused = session.post(url + path, data=body, headers=json_)
                assert (refused.status_code, refused.headers["Connection"]) == (status, "close")
                alive = session.get(f"{url}/health/live")
                assert (alive.status_code, alive.headers["Connection"]) == (200, "keep-alive")
        short = session.post(f"{url}/api/v1/projects", data=b"[]", headers=json_)
        assert (short.status_code, short.headers["Connection"]) == (400, "keep-alive")


def test_a_container_says_what_is_missing() -> None:
    """Without a function, or with one that is not there, it does not start."""
    program = [sys.executable, "-m", "functions.serve"]
    for target, said in (("", "FUNCTION_TARGET"), ("nonsense", "the function nonsense cannot be loaded")):
        environment = {**os.environ, "FUNCTION_TARGET": target, "PORT": "0"}
        ran = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode != 0
        assert said in ran.stderr
