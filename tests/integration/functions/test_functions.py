"""The functions as functions-framework serves them, on a bus that only keeps what is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from common import bootstrap
from common.bus.envelope import to_push
from common.bus.port import Delivery, Message
from common.bus.topology import JOBS, PERSONAS, RESULTS, SUBSCRIPTIONS
from common.errors import Unauthenticated
from common.events import dead_letters
from common.events.models import EVENT, AnalysisRequested, AnyEvent, JobAccepted, JobFinished, PersonaRequested
from common.ids import new_id
from common.releases.models import Policy
from common.settings import LOCAL_WORKSPACE
from tests.fixtures.api import Api, run_to_the_end, serve

PANEL = {
    "audience": {
        "name": "Adults",
        "dimensions": {"age": {"18-39": 0.4, "40+": 0.6}, "gender": {"female": 0.5, "male": 0.5}},
    },
    "size": 3,
}
NAMES = {subscription.function: subscription.name for subscription in SUBSCRIPTIONS}


def push(function: str, event: AnyEvent | bytes, **attributes: str) -> int:
    """Pushes an event to a function and returns the status of the answer."""
    data = event if isinstance(event, bytes) else event.model_dump_json().encode()
    body = to_push(Delivery("m1", NAMES[function], data, attributes))
    return serve(function).test_client().post("/", data=body).status_code


def panel(api: Api) -> str:
    """The id of a new job that makes a panel."""
    job: Any = api.post(f"/projects/{api.project()}/personas:generate", PANEL).json
    return str(job["id"])


def events(api: Api, topic: str) -> list[AnyEvent]:
    """What was published to a topic since this was last called."""
    return [EVENT.validate_json(data) for data in api.bus.take(topic)]


def causes(api: Api) -> list[tuple[Any, ...]]:
    """Why messages became dead letters."""
    return api.sql("SELECT subscription, cause_code FROM dead_letters ORDER BY id")


def test_fan_out_asks_for_every_item_once(api: Api) -> None:
    """An accepted job becomes one message for each item; the event that comes again adds none."""
    job_id = panel(api)
    (accepted,) = events(api, JOBS)
    assert push("fan_out", accepted) == 204
    asked = events(api, PERSONAS)
    assert all(isinstance(event, PersonaRequested) and str(event.job_id) == job_id for event in asked)
    assert len({event.item_id for event in asked if isinstance(event, PersonaRequested)}) == len(asked) == 3
    assert push("fan_out", accepted) == 204
    assert events(api, PERSONAS) == []


@pytest.mark.parametrize("function", ["fan_out", "persona", "answer", "summary", "commands"])
def test_an_event_of_another_topic_is_a_dead_letter(api: Api, function: str) -> None:
    """Each function reads only what it handles."""
    assert push(function, b'{"type": "sight.nonsense.v1"}') == 204
    assert causes(api) == [(NAMES[function], "malformed_event")]


def test_a_broken_bus_has_the_event_come_again(api: Api) -> None:
    """What was laid out stays so, and is asked for once the bus is back."""
    panel(api)
    (accepted,) = events(api, JOBS)
    api.bus.broken = True
    assert push("fan_out", accepted) == 503
    assert api.sql("SELECT count(*) FROM job_items") == [(3,)]
    api.bus.broken = False
    api.sql("UPDATE outbox SET created_at = now() - interval '1 minute'")
    answer: Any = serve("maintenance").test_client().post("/").json
    assert answer == {"published": 3, "freed": 0, "asked": 0, "stopped": 0, "notifications": 0}
    assert len(events(api, PERSONAS)) == 3


def test_a_replayed_dead_letter_is_handled(api: Api) -> None:
    """An event that came before its job is kept, and does its work when it is replayed after."""
    model = panel(api)
    events(api, JOBS)
    early = JobAccepted(workspace_id=LOCAL_WORKSPACE, job_id=new_id())
    assert push("fan_out", early) == 204
    assert causes(api) == [("sight-jobs-fan-out", "job_not_found")]
    for table, key in (("jobs", "id"), ("panels", "job_id")):
        api.sql(
            f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('{key}', CAST(:id AS text)))).*"
            f" FROM {table} t WHERE {key} = :model",
            id=str(early.job_id),
            model=model,
        )
    (letter,) = api.read("/dead-letters")["items"]
    assert api.post(f"/dead-letters/{letter['id']}:replay").status_code == 200
    (again,) = events(api, JOBS)
    assert again == early
    assert push("fan_out", again) == 204
    assert {event.job_id for event in events(api, PERSONAS)} == {early.job_id}
    assert len(causes(api)) == 1


def test_the_dead_letter_function_keeps_what_the_bus_gave_up_on(api: Api) -> None:
    """A message that failed as often as it may is listed under where it failed, and goes back there on replay."""
    event = PersonaRequested(workspace_id=LOCAL_WORKSPACE, job_id=new_id(), item_id=new_id())
    source = {
        dead_letters.SOURCE_SUBSCRIPTION: "sight-personas-persona",
        dead_letters.SOURCE_ATTEMPTS: "10",
    }
    assert push("dead_letter", event, type=event.type, **source) == 204
    (letter,) = api.read("/dead-letters")["items"]
    assert (letter["subscription"], letter["attempts"]) == ("sight-personas-persona", 10)
    dead_letters.replay(api.services.engine, api.bus, LOCAL_WORKSPACE, UUID(letter["id"]))
    assert api.bus.published == [(PERSONAS, Message(event.model_dump_json().encode(), {"type": event.type}))]


def test_the_end_of_a_panel_begins_its_review_once(api: Api) -> None:
    """However often the news of it comes, the panel is reviewed once, and to the end."""
    job_id = panel(api)
    run_to_the_end(api)
    jobs = [(job["kind"], job["state"]) for job in api.read("/jobs")["items"]]
    assert sorted(jobs) == [("panel_review", "completed"), ("personas", "completed")]
    finished = JobFinished(
        workspace_id=LOCAL_WORKSPACE,
        job_id=UUID(job_id),
        kind="personas",
        state="completed",
        total=3,
        done=3,
        failed=0,
        skipped=0,
    )
    assert push("summary", finished) == 204
    assert push("summary", finished.model_copy(update={"kind": "panel_review"})) == 204
    assert api.bus.published == []
    assert len(api.read("/jobs")["items"]) == 2
    assert causes(api) == []


def test_the_end_of_a_panel_that_got_lost_is_told_by_maintenance(api: Api) -> None:
    """The panel is reviewed after all, and nothing is told again once the ends of both jobs were heard."""
    panel(api)
    for topic, function in ((JOBS, "fan_out"), (PERSONAS, "persona")):
        assert {push(function, event) for event in events(api, topic)} == {204}
    assert len(events(api, RESULTS)) == 1
    client: Any = serve("maintenance").test_client()
    api.sql("UPDATE jobs SET finished_at = now() - interval '10 minutes'")
    assert [client.post("/").json["asked"] for _ in range(2)] == [1, 0]
    run_to_the_end(api)
    assert sorted(job["kind"] for job in api.read("/jobs")["items"]) == ["panel_review", "personas"]
    api.sql("UPDATE jobs SET finished_at = now() - interval '10 minutes'")
    api.sql("UPDATE events_seen SET seen_at = now() - interval '2 hours'")
    assert client.post("/").json["asked"] == 0


def test_an_analysis_of_nothing_is_a_dead_letter(api: Api) -> None:
    """Neither a job that is not there nor the end of one can be analysed."""
    event = AnalysisRequested(workspace_id=LOCAL_WORKSPACE, job_id=new_id(), item_id=new_id())
    assert push("summary", event) == 204
    assert causes(api) == [("sight-results-summary", "job_not_found")]
    assert events(api, RESULTS) == []


def test_maintenance_says_what_it_swept(api: Api) -> None:
    """A job past its deadline is ended and counted; a sweep that finds nothing says so, by GET or POST."""
    panel(api)
    api.sql("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    client = serve("maintenance").test_client()
    first: Any = client.post("/").json
    assert first["stopped"] == 1
    assert client.get("/").json == {"published": 0, "freed": 0, "asked": 0, "stopped": 0, "notifications": 0}


def test_maintenance_while_the_bus_is_down(api: Api) -> None:
    """The scheduler learns that not everything could be published."""
    panel(api)
    api.sql("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    api.bus.broken = True
    response = serve("maintenance").test_client().post("/")
    assert (response.status_code, response.json) == (503, {"code": "bus_unavailable", "detail": "the bus is down"})


def test_a_part_of_maintenance_that_fails_stops_no_other(api: Api) -> None:
    """Releases are looked after while the bus is down, and jobs while Cloud Run cannot be asked."""
    panel(api)
    api.sql("UPDATE jobs SET deadline_at = now() - interval '1 second'")
    api.services.__dict__["policies"] = {"api": Policy("api")}
    api.bus.broken = True
    with capture_logs() as logs:
        assert serve("maintenance").test_client().post("/").status_code == 503
    assert {"service_not_observed", "sweep_incomplete"} <= {entry["event"] for entry in logs}
    assert api.sql("SELECT stop_reason FROM jobs") == [("deadline",)]


FUNCTIONS = [*sorted(NAMES), "maintenance"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_caller_that_proves_nothing_reaches_no_function(
    api: Api, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """With a proof asked for, a request without one is answered 401 and leaves no trace."""

    def prove(authorization: str | None) -> None:
        raise Unauthenticated(f"not by {authorization}")

    guarded = bootstrap.Services(api.services.settings)
    guarded.__dict__.update(engine=api.services.engine, bus=api.bus, prove=prove)
    monkeypatch.setattr(bootstrap, "services", lambda: guarded)
    client: FlaskClient = serve(function).test_client()
    calls: list[Callable[[], Any]] = [
        lambda: client.post("/", data=b"{}"),
        lambda: client.post("/", data=to_push(Delivery("m1", "s", b"{}", {}))),
    ]
    assert [call().status_code for call in calls] == [401, 401]
    with api.services.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM dead_letters")).scalar() == 0
