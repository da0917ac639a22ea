"""A project, a relay onto a list, and jobs whose items only count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from pg8000.core import CoreConnection
from sqlalchemy import Connection, Engine, text

from common.bus.topology import ANSWERS, JOBS
from common.events.models import EVENT, AnswerRequested, JobAccepted, RoundCompleted
from common.events.outbox import Relay
from common.ids import new_id
from common.jobs import accept, fan_out, store, work
from common.jobs.models import Claim, Effect, JobView, NewItem, NewJob
from common.jobs.work import Perform
from common.llm.port import Call, Calls
from common.settings import LOCAL_WORKSPACE
from tests.fakes.bus import ListBus

NOTHING = Effect("SELECT 1", {})


def lay_out(connection: Connection, layout: fan_out.Layout) -> Sequence[NewItem]:
    """Items whose round is their position within a chain of `rounds`, or round by round where `spec` has `sizes`."""
    sizes = layout.spec.get("sizes")
    rounds = [p % layout.rounds for p in range(layout.total)]
    if sizes is not None:
        rounds = [number for number, size in enumerate(sizes) for _ in range(size)]
    return [NewItem(position=p, round=rounds[p]) for p in range(layout.start, layout.stop)]


def succeed(claim: Claim, calls: Calls, deadline: float) -> Effect:
    """Makes a result that writes nothing."""
    return NOTHING


def paid(micros: int) -> Call:
    """A call that cost this much."""
    return Call("answer", "gemini", "m", "h", 10, 5, 0, micros, 100, False, False, "ok")


@dataclass
class Jobs:
    """Accepts, expands and works jobs the way the functions do."""

    engine: Engine
    bus: ListBus
    relay: Relay
    project_id: UUID

    def new(self, **changes: Any) -> NewJob:
        """A focus group job of 2 personas and 3 questions, unless told otherwise."""
        values: dict[str, Any] = {
            "id": new_id(),
            "project_id": self.project_id,
            "kind": "focus_group",
            "flow": "chain",
            "total": 6,
            "rounds": 3,
            "spec": {},
            "seed": 7,
            "simulated": True,
            "request_hash": "h",
        }
        return NewJob(**(values | changes))

    def accept(self, **changes: Any) -> UUID:
        """Accepts such a job."""
        accepted = accept.accept(self.engine, LOCAL_WORKSPACE, self.new(**changes))
        assert accepted is not None
        self.relay.send(accepted.pending)
        return accepted.job.id

    def fan_out(self) -> None:
        """Handles what was published to the topic of jobs."""
        for data in self.bus.take(JOBS):
            event = EVENT.validate_json(data)
            if isinstance(event, JobAccepted):
                fan_out.expand(event, engine=self.engine, relay=self.relay, expanders={"focus_group": lay_out})
            else:
                assert isinstance(event, RoundCompleted)
                fan_out.open_next_round(event, engine=self.engine, relay=self.relay)

    def asked(self) -> list[AnswerRequested]:
        """The items asked for since this was last called."""
        events = [EVENT.validate_json(data) for data in self.bus.take(ANSWERS)]
        return [event for event in events if isinstance(event, AnswerRequested)]

    def work(self, event: AnswerRequested, perform: Perform = succeed, reserve_micros: int = 0) -> None:
        """Works on one item."""
        work.work(
            event,
            kind="focus_group",
            reserve_micros=reserve_micros,
            engine=self.engine,
            relay=self.relay,
            perform=perform,
        )

    def run(self, perform: Perform = succeed, reserve_micros: int = 0) -> list[int]:
        """Works until nothing is asked for any more; returns the positions in the order they were worked."""
        order: list[int] = []

        def noting(claim: Claim, calls: Calls, deadline: float) -> Effect:
            order.append(claim.position)
            return perform(claim, calls, deadline)

        self.fan_out()
        while asked := self.asked():
            for event in asked:
                self.work(event, noting, reserve_micros)
            self.fan_out()
        return order

    def get(self, job_id: UUID) -> JobView:
        """The job as callers see it."""
        with self.engine.connect() as connection:
            return store.get(connection, LOCAL_WORKSPACE, job_id)

    def events(self, job_id: UUID) -> list[tuple[int, str]]:
        """What happened to the job."""
        with self.engine.connect() as connection:
            found = store.events_since(connection, LOCAL_WORKSPACE, job_id, after=0, limit=1000)
        return [(event.sequence, event.type) for event in found]

    def sql(self, statement: str, **parameters: Any) -> Any:
        """Runs a statement, to look at rows or to make time pass."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else result.rowcount


@pytest.fixture
def jobs(engine: Engine) -> Jobs:
    """Jobs in a database of their own."""
    project_id = new_id()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO projects (id, workspace_id, name) VALUES (:id, :workspace, 'Test')"),
            {"id": project_id, "workspace": LOCAL_WORKSPACE},
        )
    bus = ListBus()
    return Jobs(engine, bus, Relay(engine, bus), project_id)


def lay_out_some(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, items: int) -> JobAccepted:
    """Lays out the first items, and loses the process before it does the rest; returns the event for it to come again.

    A batch holds a multiple of the number of rounds.
    """

    class Killed(Exception):
        """Stands for the end of the process."""

    def expander(connection: Connection, layout: fan_out.Layout) -> Sequence[NewItem]:
        if layout.start >= items:
            raise Killed
        return lay_out(connection, layout)

    monkeypatch.setattr(fan_out, "BATCH", max(items, 1))
    [data] = jobs.bus.take(JOBS)
    event = EVENT.validate_json(data)
    assert isinstance(event, JobAccepted)
    with pytest.raises(Killed):
        fan_out.expand(event, engine=jobs.engine, relay=jobs.relay, expanders={"focus_group": expander})
    return event


LoseReply = Callable[[str], None]
"""Has the server die after it has carried out the next statement that contains this, before its reply arrives."""


@pytest.fixture
def lose_reply(monkeypatch: pytest.MonkeyPatch) -> LoseReply:
    """Loses connections when they have done their work."""
    wanted: list[str] = []
    execute = CoreConnection.execute_named

    def executing(connection: CoreConnection, name: Any, parameters: Any, row_desc: Any, fcs: Any, sql: str) -> Any:
        done = execute(connection, name, parameters, row_desc, fcs, sql)
        for part in [part for part in wanted if part in sql]:
            wanted.remove(part)
            connection.close()
            raise ConnectionResetError("the server closed the connection")
        return done

    monkeypatch.setattr(CoreConnection, "execute_named", executing)
    return wanted.append
