"""Every message delivered three times, in random order, also side by side."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.bus.topology import SUBSCRIPTIONS
from tests.e2e import records
from tests.fixtures.api import Api, serve

TIMES = 3
MOST_ROUNDS = 100_000


@dataclass(frozen=True)
class Size:
    """How much work there is, and how many messages are delivered at once."""

    personas: int
    questions: int
    at_once: int
    seed: int


SIZES = [
    pytest.param(Size(10, 3, at_once=1, seed=1), id="one-by-one"),
    pytest.param(Size(10, 3, at_once=4, seed=2), id="side-by-side"),
    *(
        pytest.param(Size(50, 4, at_once, seed), id=f"long-{at_once}-{seed}", marks=pytest.mark.soak)
        for at_once in (1, 4)
        for seed in range(5)
    ),
]


@pytest.fixture
def deliver(api: Api) -> Callable[[Size], int]:
    """Delivers what is on the bus, and all that follows, and returns how many deliveries were acknowledged."""
    apps = {each.topic: serve(each.function) for each in SUBSCRIPTIONS}
    names = {each.topic: each.name for each in SUBSCRIPTIONS}

    def send(one: tuple[str, bytes]) -> int:
        topic, body = one
        return apps[topic].test_client().post("/", data=body).status_code

    def run(size: Size) -> int:
        rng = random.Random(size.seed)
        waiting: list[tuple[str, bytes]] = []
        acknowledged = 0
        with ThreadPoolExecutor(size.at_once) as pool:
            for number in range(MOST_ROUNDS):
                published, api.bus.published = api.bus.published, []
                for topic, message in published:
                    if topic in apps:
                        delivery = Delivery(str(number), names[topic], message.data, message.attributes)
                        waiting += [(topic, to_push(delivery))] * TIMES
                if not waiting:
                    return acknowledged
                rng.shuffle(waiting)
                if rng.random() < 0.5:  # the copies of one message together, so that they meet
                    chosen = waiting[-1]
                    waiting.sort(key=lambda one: one == chosen)
                taken = [waiting.pop() for _ in range(min(size.at_once, len(waiting)))]
                for one, status in zip(taken, pool.map(send, taken), strict=True):
                    assert status in (204, 503)
                    if status == 503:
                        waiting.append(one)
                    else:
                        acknowledged += 1
        raise AssertionError(f"{len(waiting)} messages are still to be delivered")

    return run


@pytest.mark.parametrize("size", SIZES)
def test_messages_may_come_three_times_in_any_order(api: Api, deliver: Callable[[Size], int], size: Size) -> None:
    """Jobs end completed, each persona and answer is made once and paid for once, and the counts are right."""
    project = api.project()
    panel: Any = api.post(
        f"/projects/{project}/personas:generate", {"audience_slug": "poland-adults", "size": size.personas, "seed": 3}
    ).json
    deliver(size)
    jobs = [panel]
    for mode in ("interview", "discussion"):
        questions = [f"What do you think of oat drinks, part {number}?" for number in range(size.questions)]
        body = {"name": mode, "panel_job_id": panel["id"], "questions": questions, "mode": mode, "seed": 4}
        jobs.append(api.post(f"/projects/{project}/focus-groups", body).json)
        assert deliver(size) >= TIMES * size.personas * size.questions
    for job in jobs:
        found = api.read(f"/jobs/{job['id']}")
        assert (found["state"], found["items"]["done"]) == ("completed", found["items"]["total"])
        records.check_job(api.services.engine, job["id"])
    answers = size.personas * size.questions
    assert [api.read(f"/jobs/{job['id']}")["items"]["done"] for job in jobs] == [size.personas, answers, answers]
    for job in jobs[1:]:
        assert api.read(f"/usage?job_id={job['id']}")["total"]["calls"] == answers
    kinds = records.rows(api.services.engine, "SELECT kind, count(*) FROM jobs GROUP BY kind")
    assert {row.kind: row.count for row in kinds} == {"personas": 1, "panel_review": 1, "focus_group": 2, "summary": 2}
    assert records.unsettled(api.services.engine) == {}
    assert api.read("/dead-letters")["items"] == []
