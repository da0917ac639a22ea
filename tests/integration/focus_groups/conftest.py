"""A project with personas, and focus groups that run the way the functions run them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.bus.topology import ANSWERS, JOBS
from common.events.models import EVENT, AnswerRequested, JobAccepted, RoundCompleted
from common.events.outbox import Relay
from common.focus_groups import service
from common.focus_groups.answering import answer
from common.focus_groups.models import GroupRequest
from common.ids import new_id
from common.jobs import fan_out, store, work
from common.jobs.models import JobView
from common.llm.port import CallLog, LanguageModel, ModelUnavailable, Reply, Request
from common.llm.prompts import Prompts
from common.llm.simulated.model import SimulatedModel
from common.settings import LOCAL_WORKSPACE
from tests.fakes.bus import ListBus

PROMPTS = Prompts(Path(__file__).parents[3] / "prompts")
NAMES = ("Anna Nowak", "Jan Kowal", "Maja Wilk", "Piotr Lis", "Ewa Zając", "Adam Sowa", "Ola Mazur")
QUESTIONS = ["What do you think about oat milk?", "Would you pay more for it?", "What worries you about food?"]


def profile(name: str, position: int) -> dict[str, Any]:
    """What the model would have added to a seat."""
    return {
        "name": name,
        "headline": f"{name}, who keeps an eye on prices",
        "age_years": 20 + position,
        "occupation": "nurse",
        "story": "Lives in a small town and works shifts.",
        "values": ["family", "honesty", "independence"],
        "interests": ["gardening", "films", "cycling"],
        "communication_style": "direct and brief",
        "decision_style": "compares before buying",
        "concerns": ["rising rent", "health"],
        "needs": ["more sleep", "peace"],
        "pains": ["long commute", "paperwork"],
    }


class Asked(NamedTuple):
    """A group that was accepted, and the job that makes its answers."""

    job_id: UUID
    focus_group_id: UUID


@dataclass
class Listening:
    """A model that notes what it is asked; `trouble` may raise or change the reply."""

    inner: LanguageModel
    requests: list[Request] = field(default_factory=list)
    trouble: Callable[[Request, Reply], Reply] = lambda _request, reply: reply

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """Answers as the inner model does, unless there is trouble."""
        self.requests.append(request)
        return self.trouble(request, self.inner.generate(request, calls=calls, deadline=deadline))

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """Embeds as the inner model does."""
        return self.inner.embed(texts, purpose=purpose, calls=calls, deadline=deadline)


@dataclass
class Groups:
    """Panels and focus groups in a database of their own."""

    engine: Engine
    bus: ListBus
    relay: Relay
    project_id: UUID
    llm: Listening
    reserve_micros: int = 0

    def panel(self, size: int = 5, *, state: str = "completed", project_id: UUID | None = None) -> UUID:
        """The job of a panel of `size` personas."""
        job_id = new_id()
        project_id = project_id or self.project_id
        with self.engine.begin() as connection:
            connection.execute(
                text("""
                    INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, spec, seed, request_hash,
                                      total, deadline_at, simulated)
                    VALUES (:id, :workspace, :project, 'personas', 'parallel', 1, :state, '{}', 1, '', :size, now(),
                            true)
                """),
                {
                    "id": job_id,
                    "workspace": LOCAL_WORKSPACE,
                    "project": project_id,
                    "state": state,
                    "size": size,
                },
            )
            for position in range(size):
                name = NAMES[position % len(NAMES)]
                drawn = random.Random(position)
                connection.execute(
                    text("""
                        INSERT INTO personas (id, workspace_id, project_id, job_id, position, name, headline, language,
                                              demographics, profile, traits, quality, quality_score, model,
                                              prompt_hash, simulated)
                        VALUES (:id, :workspace, :project, :job, :position, :name, 'h', 'en', :demographics, :profile,
                                :traits, '{}', 90, 'm', 'p', true)
                    """),
                    {
                        "id": new_id(),
                        "workspace": LOCAL_WORKSPACE,
                        "project": project_id,
                        "job": job_id,
                        "position": position,
                        "name": name,
                        "demographics": json.dumps({"gender": "women" if name.split()[0][-1] == "a" else "men"}),
                        "profile": json.dumps(profile(name, position)),
                        "traits": json.dumps({"openness": drawn.gauss(50, 10), "agreeableness": drawn.gauss(50, 10)}),
                    },
                )
        return job_id

    def personas(self, panel_job_id: UUID) -> list[UUID]:
        """The personas of a panel in order."""
        rows = self.sql("SELECT id FROM personas WHERE job_id = :job ORDER BY position", job=panel_job_id)
        return [row.id for row in rows]

    def ask(self, key: str | None = None, **changes: Any) -> Asked:
        """Requests a group of five personas and three questions, unless told otherwise."""
        values: dict[str, Any] = {"name": "Oat milk", "questions": QUESTIONS, "seed": 7}
        if "persona_ids" not in changes and "panel_job_id" not in changes:
            values["panel_job_id"] = self.panel()
        job = service.request_group(
            self.engine,
            self.relay,
            LOCAL_WORKSPACE,
            self.project_id,
            GroupRequest.model_validate(values | changes),
            idempotency_key=key,
            simulated=True,
        )
        assert job.subject_id is not None
        return Asked(job.id, job.subject_id)

    def fan_out(self) -> None:
        """Handles what was published to the topic of jobs."""
        for data in self.bus.take(JOBS):
            event = EVENT.validate_json(data)
            if isinstance(event, JobAccepted):
                expanders: dict[str, fan_out.Expander] = {"focus_group": service.expand}
                fan_out.expand(event, engine=self.engine, relay=self.relay, expanders=expanders)
            else:
                assert isinstance(event, RoundCompleted)
                fan_out.open_next_round(event, engine=self.engine, relay=self.relay)

    def asked(self) -> list[AnswerRequested]:
        """The answers asked for since this was last called."""
        events = [EVENT.validate_json(data) for data in self.bus.take(ANSWERS)]
        return [event for event in events if isinstance(event, AnswerRequested)]

    def work(self, event: AnswerRequested) -> None:
        """Has one answer made, delivering the event again while it says it should come again."""
        perform = partial(answer, engine=self.engine, llm=self.llm)
        for _ in range(10):
            try:
                work.work(
                    event,
                    kind="focus_group",
                    reserve_micros=self.reserve_micros,
                    engine=self.engine,
                    relay=self.relay,
                    perform=perform,
                )
            except ModelUnavailable:
                continue
            return

    def run(self, *, times: int = 1) -> None:
        """Works until nothing is asked for any more, each message delivered so many times in random order."""
        mixed = random.Random(1)
        self.bus.published *= times
        self.fan_out()
        while asked := self.asked() * times:
            mixed.shuffle(asked)
            for event in asked:
                self.work(event)
            self.bus.published *= times
            self.fan_out()

    def job(self, job_id: UUID) -> JobView:
        """The job as callers see it."""
        with self.engine.connect() as connection:
            return store.get(connection, LOCAL_WORKSPACE, job_id)

    def sql(self, statement: str, **parameters: Any) -> Any:
        """Runs a statement, to look at rows or to change them behind everybody's back."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else result.rowcount


@pytest.fixture
def groups(engine: Engine) -> Groups:
    """Groups in a database of their own."""
    project_id = new_id()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO projects (id, workspace_id, name) VALUES (:id, :workspace, 'Test')"),
            {"id": project_id, "workspace": LOCAL_WORKSPACE},
        )
    bus = ListBus()
    return Groups(engine, bus, Relay(engine, bus), project_id, Listening(SimulatedModel(PROMPTS)))
