"""The functions behind the embedded bus and a worker, on a bus that soon gives up."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine

from common import bootstrap
from common.bus import wake
from common.bus.embedded import EmbeddedBus
from common.bus.embedded_schema import ensure_schema
from common.bus.topology import SUBSCRIPTIONS
from common.events import receive
from common.llm.port import CallLog, LanguageModel, RateLimited, Reply, Request
from common.personas import panels
from local.bell import Bell
from local.worker import Worker
from tests.fakes.bus import ListBus
from tests.fixtures.api import Api, serve, services_on
from tests.fixtures.eventually import eventually
from tests.integration.functions.test_functions import PANEL

MAX_ATTEMPTS = 2
TURNS = 4
"""How often each persona is told to come again: oftener than the bus delivers."""


@dataclass
class InTurn:
    """A model that has each persona come again a few times before it is its turn."""

    inner: LanguageModel
    asked: Counter[int] = field(default_factory=Counter)

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does, in turn."""
        if request.prompt == "persona":
            self.asked[request.seed] += 1
            if self.asked[request.seed] <= TURNS:
                raise RateLimited("not yet", retry_after=0.1)
        return self.inner.generate(request, calls=calls, deadline=deadline)

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does."""
        return self.inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)


@pytest.fixture
def stack(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API, with a worker that brings messages to the functions as often as a bus of few attempts does."""
    ensure_schema(engine)
    subscriptions = [
        replace(subscription, max_attempts=MAX_ATTEMPTS, min_backoff=0.05, max_backoff=0.1)
        for subscription in SUBSCRIPTIONS
    ]
    monkeypatch.setattr(receive, "BY_NAME", {subscription.name: subscription for subscription in subscriptions})
    monkeypatch.setattr(receive, "LEAST_WAIT_SECONDS", 0.0)
    bus = EmbeddedBus(engine, subscriptions=subscriptions)
    services = services_on(engine, ListBus())
    services.__dict__.update(bus=bus, llm=InTurn(services.llm))
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    bell = Bell()
    apps: Any = {subscription.name: serve(subscription.function) for subscription in subscriptions}
    worker = Worker(bus, apps, name="worker", threads=4, bell=bell)
    thread = threading.Thread(target=worker.run)
    deaf = wake.listen(bell.ring)
    thread.start()
    yield Api(serve("api").test_client(), services, ListBus())
    worker.stop()
    thread.join()
    deaf()
    bell.close()


def ended(api: Api) -> Any:
    """The job of the only panel, once it has ended."""
    job: Any = api.post(f"/projects/{api.project()}/personas:generate", PANEL).json
    eventually(lambda: api.read(f"/jobs/{job['id']}")["state"] != "running")
    return api.read(f"/jobs/{job['id']}")


def test_waiting_for_the_rate_limit_uses_up_no_delivery(stack: Api) -> None:
    """However often a persona has to come again it is made, and nothing of it becomes a dead letter."""
    job = ended(stack)
    assert (job["state"], job["items"]["done"]) == ("completed", 3)
    assert set(stack.services.llm.asked.values()) == {TURNS + 1}  # type: ignore[attr-defined]
    assert stack.read("/dead-letters")["items"] == []


def test_a_job_that_cannot_be_laid_out_ends_with_the_last_delivery(stack: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so long before its deadline; the message is kept as well."""
    asked: list[UUID] = []

    def broken(_connection: Connection, _workspace_id: UUID, job_id: UUID) -> str:
        asked.append(job_id)
        raise ZeroDivisionError

    monkeypatch.setattr(panels, "audience_json", broken)
    job = ended(stack)
    assert (job["state"], job["stop_reason"], job["items"]["skipped"]) == ("failed", "error", 3)
    detail = "the job could not go on: an unexpected error (ZeroDivisionError)"
    assert job["reasons"] == [{"code": "error", "detail": detail, "items": 3}]
    assert len(asked) == MAX_ATTEMPTS
    eventually(lambda: stack.sql("SELECT cause_code FROM dead_letters") == [("attempts_exhausted",)])


def test_a_job_of_an_audience_that_makes_no_sense_ends_at_once(stack: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been accepted by an earlier version: what is wrong with it is named."""
    audience = {"name": "Adults", "respondents": [{"age": "young", "weight": 1e308}, {"age": "old"}]}
    monkeypatch.setattr(panels, "audience_json", lambda *_: json.dumps(audience))
    job = ended(stack)
    assert (job["state"], job["stop_reason"]) == ("failed", "error")
    assert "audience.respondents.weights[0]: is 1e+308" in job["reasons"][0]["detail"]
    eventually(lambda: stack.sql("SELECT cause_code FROM dead_letters") == [("invalid_input",)])
