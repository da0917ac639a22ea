"""What is written down of the messages on Pub/Sub is what the models say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from common.bus import topology
from common.events import commands, models, schemas
from common.ids import new_id
from common.notify.events import NotificationRequested
from common.releases import events as releases

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(schemas.files()))
def test_the_files_in_docs_are_these(name: str) -> None:
    """Every file under docs is what `python -m common.events.schemas docs` writes now."""
    assert json.loads((DOCS / name).read_text()) == schemas.files()[name]


def test_no_file_is_left_of_a_message_that_is_gone() -> None:
    """docs/schemas holds the schemas of the messages there are, and no others."""
    assert {f"schemas/{path.name}" for path in (DOCS / "schemas").iterdir()} == {
        name for name in schemas.files() if name.startswith("schemas/")
    }


def test_every_message_and_topic_is_written_down() -> None:
    """A new event, command or topic cannot be forgotten."""
    known = {*get_args(get_args(models.AnyEvent)[0]), *get_args(get_args(commands.AnyCommand)[0])}
    known |= {commands.CommandAccepted, NotificationRequested, *get_args(get_args(releases.AnyReleaseEvent)[0])}
    assert known == set(schemas.messages())
    assert set(schemas.MESSAGES) == set(topology.TOPICS) - {topology.DEAD_LETTERS, topology.ALERTS}


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` of the document dangles."""
    document = schemas.asyncapi()

    def resolve(reference: str) -> Any:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                assert resolve(value["$ref"])
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def test_what_others_write_is_told_apart_from_what_sight_writes() -> None:
    """A topic with both has an operation for each, which names its messages."""
    operations = schemas.asyncapi()["operations"]
    assert operations[topology.COMMANDS]["action"] == "receive"
    assert operations[topology.EVENTS]["action"] == "send"
    deployed = f"#/channels/{topology.RELEASES}/messages/sight.release.deployed.v1"
    assert operations[f"{topology.RELEASES}-receive"]["messages"] == [{"$ref": deployed}]
    assert {"$ref": deployed} not in operations[f"{topology.RELEASES}-send"]["messages"]


def test_what_is_sent_holds_against_its_schema() -> None:
    """An event as it goes on the bus is what its schema promises."""
    event = commands.CommandAccepted(workspace_id=new_id(), job_id=new_id(), command_id=new_id())
    schema = schemas.files()["schemas/sight.command.accepted.v1.json"]
    Draft202012Validator(schema).validate(event.model_dump(mode="json"))
