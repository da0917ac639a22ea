"""Tests of the stack with Pub/Sub, played by its emulator, carrying the events."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from common.bus.topology import SUBSCRIPTIONS
from local import stack
from local.processes import alive
from tests.fixtures.eventually import eventually

API = """
from functools import cache

from common.bus.port import Message


@cache
def bus():
    from common.bus.pubsub import PubSubBus
    from common.settings import settings
    from common.tasks.cloud_tasks import CloudTasks

    s = settings()
    tasks = CloudTasks(
        project=s.google_cloud_project, location=s.tasks_location, queue=s.tasks_queue, endpoint=s.tasks_endpoint
    )
    return PubSubBus(
        project=s.google_cloud_project,
        emulator_host=s.pubsub_emulator_host,
        tasks=tasks,
        push_base_url=s.push_base_url,
    )


def api(request):
    if request.path == "/publish":
        delay = float(request.args.get("delay", 0))
        return {"ids": bus().publish("sight-answers", [Message(request.get_data())], delay=delay)}
    return {}
"""

FUNCTION = """
import os

from common.bus.envelope import parse_push


def {name}(request):
    delivery = parse_push(request.get_data())
    with open(os.path.join(os.environ["SIGHT_DATA_DIR"], "notes"), "a") as file:
        file.write("{name} " + delivery.subscription + " " + delivery.data.decode() + "\\n")
    return "", 204
"""

MAINTENANCE = """
import os


def maintenance(request):
    open(os.path.join(os.environ["SIGHT_DATA_DIR"], "maintained"), "w").close()
    return {}
"""


def test_events_travel_through_pubsub(pubsub_emulator: str, tmp_path: Path) -> None:
    """Published messages, delayed ones too, are pushed to their function's endpoint, and maintenance is called."""
    functions = tmp_path / "functions"
    sources = {subscription.function: FUNCTION.format(name=subscription.function) for subscription in SUBSCRIPTIONS}
    for name, source in (sources | {"api": API, "maintenance": MAINTENANCE}).items():
        (functions / name).mkdir(parents=True)
        (functions / name / "main.py").write_text(source)
    settings = {
        "SIGHT_BUS": "pubsub",
        "PUBSUB_EMULATOR_HOST": pubsub_emulator,
        "GOOGLE_CLOUD_PROJECT": f"stack-{tmp_path.name[-10:].replace('_', '-')}",
        "SIGHT_WORKERS": "2",
    }
    data_dir = tmp_path / "data"
    with stack.start(data_dir=data_dir, functions=functions, settings=settings) as started:
        for body, delay in ((b"late", "?delay=0.5"), (b"soon", "")):
            with urllib.request.urlopen(f"{started.url}/publish{delay}", data=body, timeout=30) as answer:
                assert len(json.load(answer)["ids"]) == 1
        eventually(lambda: (data_dir / "notes").exists() and len((data_dir / "notes").read_text().splitlines()) == 2)
        assert sorted((data_dir / "notes").read_text().splitlines()) == [
            "answer sight-answers-answer late",
            "answer sight-answers-answer soon",
        ]
        eventually((data_dir / "maintained").exists)
        pids = started.pids()
    assert not any(alive(pid) for pid in pids)
