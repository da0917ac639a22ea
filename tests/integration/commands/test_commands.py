"""Commands as Pub/Sub pushes them to the function."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from common.bus.topology import EVENTS, JOBS
from common.ids import new_id
from tests.fixtures.api import Api, serve

AUDIENCE = {
    "name": "Adults",
    "dimensions": {"age": {"18-39": 0.4, "40+": 0.6}, "gender": {"female": 0.5, "male": 0.5}},
}


class Commands:
    """Pushes commands to the function, and looks at what lies behind it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.bus = api.bus
        self.client = serve("commands").test_client()

    def push(self, command: Any) -> int:
        """Pushes a command and returns the status of the answer."""
        data = command if isinstance(command, bytes) else json.dumps(command).encode()
        message = {"messageId": "1", "data": base64.b64encode(data).decode()}
        subscription = "projects/sight-local/subscriptions/sight-commands-accept"
        return self.client.post("/", json={"message": message, "subscription": subscription}).status_code

    def generate(self, **changes: Any) -> dict[str, Any]:
        """A command for a panel of two."""
        command = {
            "id": str(new_id()),
            "type": "sight.personas.generate.v1",
            "project_id": self.api.project(),
            "body": {"audience": AUDIENCE, "size": 2},
        }
        return command | changes

    def announced(self) -> list[dict[str, Any]]:
        """The events announced since this was last called."""
        return [json.loads(data) for data in self.bus.take(EVENTS)]

    def causes(self) -> list[tuple[Any, ...]]:
        """Why messages became dead letters."""
        return self.api.sql("SELECT cause_code, cause FROM dead_letters ORDER BY id")


@pytest.fixture
def commands(api: Api) -> Commands:
    """The commands function, on a database of its own."""
    return Commands(api)


def test_a_command_starts_a_job_and_announces_it(commands: Commands) -> None:
    """The job is on its way, and who sent the command learns its id."""
    command = commands.generate(traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    assert commands.push(command) == 204
    (announced,) = commands.announced()
    assert (announced["type"], announced["command_id"]) == ("sight.command.accepted.v1", command["id"])
    job = commands.api.read(f"/jobs/{announced['job_id']}")
    assert (job["kind"], job["items"]["total"]) == ("personas", 2)
    (started,) = (json.loads(data) for data in commands.bus.take(JOBS))
    assert (started["job_id"], started["traceparent"]) == (job["id"], command["traceparent"])


def test_a_command_is_carried_out_while_the_bus_is_down(commands: Commands) -> None:
    """Its job and the news of it wait in the outbox; the command is done with."""
    command = commands.generate()
    commands.bus.broken = True
    assert commands.push(command) == 204
    waiting = commands.api.sql("SELECT topic FROM outbox ORDER BY topic")
    assert waiting == [(EVENTS,), (JOBS,)]
    assert commands.causes() == []


def test_a_command_that_comes_again_finds_its_job(commands: Commands) -> None:
    """Three deliveries of one command start one job."""
    command = commands.generate()
    assert [commands.push(command) for _ in range(3)] == [204, 204, 204]
    assert len({event["job_id"] for event in commands.announced()}) == 1
    assert len({event["id"] for event in commands.announced()}) <= 1
    assert commands.api.sql("SELECT count(*) FROM jobs") == [(1,)]


def test_an_id_used_for_another_command_is_a_dead_letter(commands: Commands) -> None:
    """The same id with another body is a conflict, and starts nothing."""
    command = commands.generate()
    commands.push(command)
    assert commands.push(command | {"body": {"audience": AUDIENCE, "size": 3}}) == 204
    assert [code for code, _ in commands.causes()] == ["idempotency_key_reused"]
    assert commands.api.sql("SELECT count(*) FROM jobs") == [(1,)]


def test_a_job_is_cancelled_and_retried_once_for_each_command(commands: Commands) -> None:
    """Repeats of a command change nothing, however late they come."""
    commands.push(commands.generate())
    job_id = commands.announced()[0]["job_id"]
    cancel = {"id": str(new_id()), "type": "sight.job.cancel.v1", "job_id": job_id}
    retry = {"id": str(new_id()), "type": "sight.job.retry.v1", "job_id": job_id, "body": {"resume": True}}
    assert commands.push(cancel) == 204
    assert commands.api.read(f"/jobs/{job_id}")["state"] == "cancelled"
    assert commands.push(retry) == 204
    assert [commands.push(command) for command in (cancel, retry, cancel)] == [204, 204, 204]
    assert commands.api.read(f"/jobs/{job_id}")["state"] == "running"
    assert commands.causes() == []


@pytest.mark.parametrize(
    ("change", "code", "cause"),
    [
        ({"type": "sight.nonsense.v1"}, "malformed_event", "sight.nonsense.v1"),
        ({"id": "42"}, "malformed_event", "id"),
        ({"body": {"audience": AUDIENCE, "size": 0}}, "malformed_event", "size"),
        ({"body": {"audience_slug": "atlantis", "size": 2}}, "invalid_input", "atlantis"),
        ({"project_id": str(UUID(int=7))}, "project_not_found", str(UUID(int=7))),
        ({"workspace_id": str(UUID(int=7))}, "project_not_found", "project"),
        (b"{", "malformed_event", "JSON"),
    ],
)
def test_what_cannot_be_carried_out_is_a_dead_letter(commands: Commands, change: Any, code: str, cause: str) -> None:
    """It is acknowledged and kept with its cause, and nothing else is written."""
    command = change if isinstance(change, bytes) else commands.generate() | change
    before = commands.api.row_counts()
    assert commands.push(command) == 204
    assert [found for found, _ in commands.causes()] == [code]
    assert cause in commands.causes()[0][1]
    assert commands.api.row_counts() == before | {"dead_letters": 1}


def test_a_job_of_another_workspace_is_not_found(commands: Commands) -> None:
    """A command for a workspace that does not have the job is a dead letter."""
    commands.push(commands.generate())
    job_id = commands.announced()[0]["job_id"]
    cancel = {"id": str(new_id()), "workspace_id": str(new_id()), "type": "sight.job.cancel.v1", "job_id": job_id}
    assert commands.push(cancel) == 204
    assert [code for code, _ in commands.causes()] == ["job_not_found"]
