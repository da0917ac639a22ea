"""Writes down what Sight says and hears on Pub/Sub: `python -m common.events.schemas docs`.

An AsyncAPI 3.0 document and a JSON Schema for each message, made from the models that read and write them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from common.bus import topology
from common.events import commands, models
from common.notify.events import NotificationRequested
from common.releases import events as releases

MESSAGES: dict[str, tuple[type[BaseModel], ...]] = {
    topology.COMMANDS: (
        commands.GeneratePersonas,
        commands.StartFocusGroup,
        commands.CancelJob,
        commands.RetryJob,
    ),
    topology.JOBS: (models.JobAccepted, models.RoundCompleted),
    topology.PERSONAS: (models.PersonaRequested,),
    topology.ANSWERS: (models.AnswerRequested,),
    topology.RESULTS: (models.JobFinished, models.AnalysisRequested),
    topology.EVENTS: (commands.CommandAccepted, models.JobFinished),
    topology.RELEASES: (releases.ReleaseDeployed, releases.ReleaseStepDue, releases.ReleaseRecorded),
    topology.NOTIFICATIONS: (NotificationRequested,),
}
"""The messages of each topic that are ours to define: alerts are those of Cloud Monitoring, dead letters copies as
they came."""

DESCRIPTIONS = {
    topology.COMMANDS: "What automations ask for.",
    topology.JOBS: "Jobs to lay out and rounds to open. Internal.",
    topology.PERSONAS: "Personas to make. Internal.",
    topology.ANSWERS: "Answers to give. Internal.",
    topology.RESULTS: "Jobs that ended, and the analyses they call for. Internal.",
    topology.EVENTS: "What automations may wait for.",
    topology.RELEASES: "Revisions that were deployed and are to be released, and the steps of their releases.",
    topology.NOTIFICATIONS: "People to tell something. Internal.",
}
HEARD = frozenset((*MESSAGES[topology.COMMANDS], releases.ReleaseDeployed))
"""Messages that others write; Sight writes the rest."""


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in messages()], ref_template="#/components/schemas/{model}"
    )
    for model in messages():
        _require_identity(definitions["$defs"][model.__name__])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sight events",
            "version": "1",
            "description": "Messages are JSON. Their attributes repeat `type`, and where they are of a workspace"
            " `workspace_id`, for filters, and `traceparent` (W3C Trace Context). Any message may come twice, late or"
            " out of order; its `id` tells a repeat.",
        },
        "defaultContentType": "application/json",
        "channels": {topic: _channel(topic) for topic in MESSAGES},
        "operations": {name: each for topic in MESSAGES for name, each in _operations(topic).items()},
        "components": {
            "messages": {_name(model): _message(model) for model in messages()},
            "schemas": definitions["$defs"],
        },
    }


def messages() -> list[type[BaseModel]]:
    """Every message there is, once."""
    return list(dict.fromkeys(model for found in MESSAGES.values() for model in found))


def files() -> dict[str, dict[str, Any]]:
    """Everything that is written down, by the name of its file."""
    schemas = {f"schemas/{_name(model)}.json": _schema(model) for model in messages()}
    return {"events.asyncapi.json": asyncapi(), **schemas}


def export(folder: Path) -> None:
    """Writes everything down as it is now."""
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    _require_identity(schema)
    return schema


def _require_identity(schema: dict[str, Any]) -> None:
    """The id and the type have defaults where Sight writes a message, and none where it reads one."""
    schema["required"] = ["id", "type", *(name for name in schema.get("required", []) if name not in ("id", "type"))]


def _channel(topic: str) -> dict[str, Any]:
    return {
        "address": topic,
        "description": DESCRIPTIONS[topic],
        "messages": {_name(model): {"$ref": f"#/components/messages/{_name(model)}"} for model in MESSAGES[topic]},
    }


def _operations(topic: str) -> dict[str, Any]:
    heard = [model for model in MESSAGES[topic] if model in HEARD]
    said = [model for model in MESSAGES[topic] if model not in HEARD]
    there = {action: found for action, found in (("receive", heard), ("send", said)) if found}
    return {
        topic if len(there) == 1 else f"{topic}-{action}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic}"},
            "summary": DESCRIPTIONS[topic],
            "messages": [{"$ref": f"#/channels/{topic}/messages/{_name(model)}"} for model in found],
        }
        for action, found in there.items()
    }


def _message(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": _name(model),
        "summary": (model.__doc__ or "").partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def _name(model: type[BaseModel]) -> str:
    name: str = model.model_fields["type"].default
    return name


if __name__ == "__main__":
    export(Path(sys.argv[1]))
