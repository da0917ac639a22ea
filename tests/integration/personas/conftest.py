"""A project, and panels that are requested, laid out, made and reviewed the way the functions do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from common.bus.topology import EVENTS, JOBS, PERSONAS, RESULTS
from common.cache.port import Cache
from common.cache.redis import RedisCache, breaker, connect
from common.events.models import EVENT, AnalysisRequested, JobAccepted, JobFinished, PersonaRequested
from common.events.outbox import Relay
from common.ids import new_id
from common.jobs import fan_out, store, work
from common.jobs.models import JobView
from common.llm.metering import Metered
from common.llm.models import Models
from common.llm.port import CallLog, LanguageModel, Reply, Request
from common.llm.prompts import Prompts
from common.llm.simulated.model import MODEL, SimulatedModel
from common.personas import review, service
from common.personas.models import PanelRequest, PersonaView
from common.personas.models import PersonaFilters as Filters
from common.personas.store import list_personas
from common.settings import LOCAL_WORKSPACE
from tests.fakes.bus import ListBus

PROMPTS = Prompts(Path(__file__).parents[3] / "prompts")
AUDIENCE: dict[str, Any] = {
    "name": "Grown-ups of two kinds of places",
    "country": "Poland",
    "dimensions": {
        "age": {"18-34": 0.3, "35-54": 0.4, "55+": 0.3},
        "gender": {"women": 0.5, "men": 0.5},
        "education": {"vocational": 0.5, "higher": 0.5},
        "place_of_residence": {"village": 0.4, "city": 0.6},
    },
}
OTHER_WORKSPACE = UUID("00000000-0000-7000-8000-000000000002")

Change = Callable[[Request, Reply], Reply]


@dataclass
class Changing:
    """A model whose replies a test may change, and which notes what it was asked."""

    inner: LanguageModel
    change: Change = lambda _request, reply: reply
    asked: list[Request] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Replies as the inner model does, changed."""
        self.asked.append(request)
        return self.change(request, self.inner.generate(request, calls=calls, deadline=deadline))

    def embed(self, texts: Any, *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does."""
        self.embedded += texts
        return self.inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)


@dataclass
class Panels:
    """Panels in a database and a cache of their own."""

    engine: Engine
    bus: ListBus
    relay: Relay
    cache: Cache
    llm: Changing
    project_id: UUID

    def request(self, key: str | None = None, **changes: Any) -> UUID:
        """Requests a panel of eight, unless told otherwise, and returns its job."""
        values: dict[str, Any] = {"size": 8, "seed": 7}
        if not {"audience_slug", "audience_id"} & set(changes):
            values["audience"] = AUDIENCE
        return service.request_panel(
            self.engine,
            self.relay,
            LOCAL_WORKSPACE,
            self.project_id,
            PanelRequest.model_validate(values | changes),
            idempotency_key=key,
            simulated=True,
        ).id

    def fan_out(self) -> None:
        """Lays out what was accepted."""
        for data in self.bus.take(JOBS):
            event = EVENT.validate_json(data)
            assert isinstance(event, JobAccepted)
            expanders: dict[str, fan_out.Expander] = {"personas": service.expand, "panel_review": review.expand}
            fan_out.expand(event, engine=self.engine, relay=self.relay, expanders=expanders)

    def asked(self) -> list[PersonaRequested]:
        """The personas asked for since this was last called."""
        events = [EVENT.validate_json(data) for data in self.bus.take(PERSONAS)]
        return [event for event in events if isinstance(event, PersonaRequested)]

    def make(self, event: PersonaRequested, *, reserve_micros: int = 0) -> None:
        """Has one persona made."""
        work.work(
            event,
            kind="personas",
            reserve_micros=reserve_micros,
            engine=self.engine,
            relay=self.relay,
            perform=partial(service.make, llm=self.llm, cache=self.cache),
        )

    def run(self, **changes: Any) -> UUID:
        """Requests a panel and has all its personas made."""
        job_id = self.request(**changes)
        self.fan_out()
        for event in self.asked():
            self.make(event)
        return job_id

    def finished(self) -> list[JobFinished]:
        """The jobs that ended since this was last called."""
        self.bus.take(EVENTS)
        self.results = [EVENT.validate_json(data) for data in self.bus.take(RESULTS)]
        return [event for event in self.results if isinstance(event, JobFinished)]

    def review(self, event: JobFinished) -> UUID | None:
        """Has the panel of a finished job reviewed."""
        job_id = review.begin_review(event, self.engine, self.relay)
        self.fan_out()
        for data in self.bus.take(RESULTS):
            asked = EVENT.validate_json(data)
            if isinstance(asked, AnalysisRequested):
                work.work(
                    asked,
                    kind="panel_review",
                    reserve_micros=0,
                    engine=self.engine,
                    relay=self.relay,
                    perform=partial(review.review, engine=self.engine, llm=self.llm),
                )
        return job_id

    def job(self, job_id: UUID) -> JobView:
        """The job as callers see it."""
        with self.engine.connect() as connection:
            return store.get(connection, LOCAL_WORKSPACE, job_id)

    def personas(self, job_id: UUID) -> list[PersonaView]:
        """The personas of a panel, in the order of their seats."""
        with self.engine.connect() as connection:
            page = list_personas(connection, LOCAL_WORKSPACE, self.project_id, Filters(job_id=job_id), limit=200)
        return page.items

    def sql(self, statement: str, **parameters: Any) -> Any:
        """Runs a statement, to look at rows or to change them behind everybody's back."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else result.rowcount

    def at_once(self, call: Callable[[Any], object], arguments: list[Any]) -> None:
        """Calls with each argument in a thread of its own."""
        with ThreadPoolExecutor(len(arguments)) as pool:
            list(pool.map(call, arguments))


@pytest.fixture
def panels(engine: Engine, redis_url: str) -> Iterator[Panels]:
    """Panels of a fresh project, played by the simulated model."""
    project_id = new_id()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO projects (id, workspace_id, name) VALUES (:id, :workspace, 'Bread')"),
            {"id": project_id, "workspace": LOCAL_WORKSPACE},
        )
        connection.execute(text("INSERT INTO workspaces (id, name) VALUES (:id, 'Other')"), {"id": OTHER_WORKSPACE})
    bus = ListBus()
    redis: Redis = connect(redis_url)
    models = Models("simulated", MODEL, MODEL, MODEL, simulated=True)
    llm = Changing(Metered(SimulatedModel(PROMPTS), models, PROMPTS))
    yield Panels(engine, bus, Relay(engine, bus), RedisCache(redis, breaker()), llm, project_id)
    redis.close()
