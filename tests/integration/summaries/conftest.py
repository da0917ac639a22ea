"""Finished focus groups in a database, and summaries run the way the functions run them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.bus.topology import JOBS, RESULTS
from common.events.models import EVENT, AnalysisRequested, JobAccepted, JobFinished, RoundCompleted
from common.events.outbox import Relay
from common.ids import item_id, new_id
from common.jobs import fan_out, store, work
from common.jobs.models import JobView
from common.jobs.sweep import sweep
from common.llm.port import LanguageModel
from common.settings import LOCAL_WORKSPACE
from common.summaries.analysis import analyse
from common.summaries.models import SummaryView
from common.summaries.portions import FAN_IN, PORTION_TOKENS
from common.summaries.service import Begun, begin_summary, expand
from common.summaries.store import get_summary
from tests.fakes.bus import ListBus
from tests.unit.summaries.factories import a_group, answers_of


@dataclass
class Summaries:
    """Makes finished groups and runs what follows from them."""

    engine: Engine
    bus: ListBus
    relay: Relay
    project_id: UUID
    begun: list[Begun] = field(default_factory=list)

    def finished_group(
        self,
        personas: int = 5,
        questions: int = 2,
        *,
        state: str = "completed",
        answered: int | None = None,
        language: str = "en",
        budget_micros: int | None = None,
        spent_micros: int = 0,
    ) -> tuple[UUID, JobFinished]:
        """A group whose job has ended, with answers of the first `answered` personas (None: of all), and
        the event that says so."""
        job_id, group_id = new_id(), new_id()
        group = a_group(personas, questions, language)
        answers = [a for a in answers_of(group) if answered is None or a.persona < answered]
        self.sql(
            """
            INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, subject_id, spec, seed,
                              request_hash, total, expanded, done, failed, version, budget_micros, spent_micros,
                              deadline_at, simulated, finished_at)
            VALUES (:id, :workspace, :project, 'focus_group', 'chain', :rounds, :state, :group, '{}', 7, 'h', :total,
                    :total, :done, :failed, 9, :budget, :spent, now() + interval '1 hour', true, now())
            """,
            id=job_id,
            project=self.project_id,
            rounds=questions,
            state=state,
            group=group_id,
            total=personas * questions,
            done=len(answers),
            failed=personas * questions - len(answers),
            budget=budget_micros,
            spent=spent_micros,
        )
        persona_ids = [new_id() for _ in group.members]
        self.sql(
            """
            INSERT INTO focus_groups (id, workspace_id, project_id, job_id, name, mode, language, briefing, member_ids)
            VALUES (:id, :workspace, :project, :job, :name, 'interview', :language, :briefing, :members)
            """,
            id=group_id,
            project=self.project_id,
            job=job_id,
            name=group.name,
            language=language,
            briefing=group.briefing,
            members=persona_ids,
        )
        question_ids = [new_id() for _ in group.questions]
        of_group = {"workspace_id": LOCAL_WORKSPACE, "focus_group_id": group_id}
        made = {"model": "m", "prompt_hash": "h", "simulated": True}
        self.insert(
            "questions",
            [of_group | {"id": id_, "position": n, "text": group.questions[n]} for n, id_ in enumerate(question_ids)],
        )
        self.insert(
            "personas",
            [
                made
                | {
                    "id": id_,
                    "workspace_id": LOCAL_WORKSPACE,
                    "project_id": self.project_id,
                    "job_id": job_id,
                    "position": n,
                    "name": group.members[n].name,
                    "headline": "",
                    "language": language,
                    "demographics": group.members[n].demographics,
                    "profile": {},
                    "traits": {},
                    "quality": {},
                    "quality_score": 90.0,
                }
                for n, id_ in enumerate(persona_ids)
            ],
        )
        self.insert(
            "answers",
            [
                of_group
                | made
                | {
                    "id": item_id(job_id, a.persona * questions + a.question),
                    "question_id": question_ids[a.question],
                    "question_position": a.question,
                    "persona_id": persona_ids[a.persona],
                    "text": a.text,
                    "stance": a.stance,
                    "sentiment": a.sentiment,
                    "themes": a.themes,
                    "confidence": 0.8,
                }
                for a in answers
            ],
        )
        return group_id, self.ended(job_id)

    def ended(self, job_id: UUID) -> JobFinished:
        """The event that says a job has ended."""
        job = self.job(job_id)
        return JobFinished(
            workspace_id=LOCAL_WORKSPACE,
            job_id=job_id,
            kind=job.kind,
            state=job.state,
            total=job.items.total,
            done=job.items.done,
            failed=job.items.failed,
            skipped=job.items.skipped,
        )

    def begin(self, event: JobFinished, *, portion_tokens: int = PORTION_TOKENS, fan_in: int = FAN_IN) -> Begun:
        """Begins the summary of a finished group."""
        return begin_summary(event, self.engine, self.relay, portion_tokens=portion_tokens, fan_in=fan_in)

    def run(self, llm: LanguageModel, reserve_micros: int = 0) -> None:
        """Handles what is published until nothing more is; items of a round run last one first."""
        perform = partial(analyse, engine=self.engine, llm=llm)
        while True:
            for data in self.bus.take(JOBS):
                event = EVENT.validate_json(data)
                if isinstance(event, JobAccepted):
                    fan_out.expand(event, engine=self.engine, relay=self.relay, expanders={"summary": expand})
                elif isinstance(event, RoundCompleted):
                    fan_out.open_next_round(event, engine=self.engine, relay=self.relay)
            events = [EVENT.validate_json(data) for data in self.bus.take(RESULTS)]
            if not events:
                return
            for event in reversed(events):
                if isinstance(event, AnalysisRequested):
                    work.work(
                        event,
                        kind="summary",
                        reserve_micros=reserve_micros,
                        engine=self.engine,
                        relay=self.relay,
                        perform=perform,
                    )
                elif isinstance(event, JobFinished):
                    self.begun.append(self.begin(event))

    def sweep(self) -> None:
        """Asks again for what is ready, as the sweeper does when time has passed."""
        self.sql("UPDATE job_items SET updated_at = '-infinity' WHERE state = 'ready'")
        sweep(self.engine, self.relay)

    def summary(self, group_id: UUID) -> SummaryView:
        """The group's summary as callers see it."""
        with self.engine.connect() as connection:
            return get_summary(connection, LOCAL_WORKSPACE, group_id)

    def job(self, job_id: UUID | None) -> JobView:
        """A job as callers see it."""
        assert job_id is not None
        with self.engine.connect() as connection:
            return store.get(connection, LOCAL_WORKSPACE, job_id)

    def sql(self, statement: str, **parameters: Any) -> Any:
        """Runs a statement; `:workspace` is given."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), {"workspace": LOCAL_WORKSPACE} | parameters)
            return result.all() if result.returns_rows else result.rowcount

    def insert(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Inserts rows, all with the same columns; the table says of which types."""
        if rows:
            columns = ", ".join(rows[0])
            self.sql(
                f"INSERT INTO {table} ({columns})"
                f" SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, CAST(:rows AS jsonb))",
                rows=json.dumps(rows, default=str),
            )


@pytest.fixture
def summaries(engine: Engine) -> Summaries:
    """Summaries in a database of their own."""
    project_id = new_id()
    bus = ListBus()
    made = Summaries(engine, bus, Relay(engine, bus), project_id)
    made.sql("INSERT INTO projects (id, workspace_id, name) VALUES (:id, :workspace, 'Test')", id=project_id)
    return made
