"""A real stack whose workers, servers and model fail in the middle of the work."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e import records
from tests.e2e.lab import Lab, lab
from tests.fakes.gemini.behaviour import TRANSIENT
from tests.fakes.gemini.fixtures import FakeGemini, running

LATENCY_SECONDS = 0.2
QUESTIONS = 4


@dataclass(frozen=True)
class Size:
    """How many personas are asked four questions, and how often something is killed meanwhile."""

    personas: int
    kills: int
    restarts: int
    seed: int


SIZES = [
    pytest.param(Size(12, kills=3, restarts=1, seed=1), id="short"),
    pytest.param(Size(50, kills=20, restarts=4, seed=2), id="long", marks=pytest.mark.soak),
]
REASONS = {"llm_refused", "llm_bad_reply", "llm_unavailable"}


@pytest.fixture(scope="module")
def gemini() -> Iterator[FakeGemini]:
    """The model of the stack."""
    with running("--latency", str(LATENCY_SECONDS), "--jitter", str(LATENCY_SECONDS / 2)) as server:
        yield server


@pytest.fixture(scope="module")
def stack_of_module(gemini: FakeGemini) -> Iterator[Lab]:
    """A stack that asks the fake model."""
    settings = {"SIGHT_LLM": "gemini", "GOOGLE_API_KEY": "test", "SIGHT_GEMINI_ENDPOINT": gemini.url}
    with lab(settings) as running_lab:
        yield running_lab


@pytest.fixture
def broken(stack_of_module: Lab, gemini: FakeGemini) -> Lab:
    """The stack, with a model that works until the test says otherwise."""
    gemini.control(reset=True, latency=LATENCY_SECONDS, jitter=LATENCY_SECONDS / 2)
    return stack_of_module


def moments(rng: random.Random, total: int, count: int) -> list[int]:
    """After how many ended items something is to go wrong: while it is sure that more is to come."""
    return sorted(rng.sample(range(1, total * 6 // 10), count))


@pytest.mark.parametrize("size", SIZES)
def test_workers_may_be_killed_at_any_moment(broken: Lab, size: Size) -> None:
    """A group whose workers are killed again and again ends completed, each answer once, with nothing held."""
    rng = random.Random(size.seed)
    job = broken.group(broken.panel(size.personas), about=f"killed workers {size}", questions=QUESTIONS)
    total = size.personas * QUESTIONS
    for ended in moments(rng, total, size.kills):
        broken.wait_for_progress(job, ended)
        time.sleep(rng.uniform(0, LATENCY_SECONDS))  # strikes anywhere between two answers, not only after one
        broken.kill_worker(rng)
    found = broken.finished(job)
    assert (found["state"], found["items"]["done"], found["items"]["total"]) == ("completed", total, total)
    broken.settle(job)
    records.check_job(broken.engine, job["id"])
    assert broken.read("/dead-letters")["items"] == []


@pytest.mark.parametrize("size", SIZES)
def test_workers_told_to_end_lose_nothing(broken: Lab, gemini: FakeGemini, size: Size) -> None:
    """A group whose workers are told to end, while a call hangs as well, needs no second attempt for any answer."""
    rng = random.Random(size.seed)
    panel = broken.panel(size.personas)
    broken.settle()
    gemini.control(mode="hang", times=1)
    job = broken.group(panel, about=f"ended workers {size}", questions=QUESTIONS)
    broken.wait_for_progress(job, rng.randrange(1, size.personas * QUESTIONS // 2))
    broken.end_workers()
    assert broken.finished(job)["state"] == "completed"
    broken.settle(job)
    records.check_job(broken.engine, job["id"])
    attempts = "SELECT DISTINCT attempts FROM job_items WHERE job_id = :job"
    assert records.rows(broken.engine, attempts, job=job["id"]) == [(1,)]
    outcomes = "SELECT outcome FROM llm_calls WHERE job_id = :job AND outcome <> 'ok'"
    assert records.rows(broken.engine, outcomes, job=job["id"]) == [("llm_unavailable",)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("server", ["postgres", "redis"])
@pytest.mark.parametrize("mode", ["interview", "discussion"])
def test_servers_may_be_restarted_in_the_middle(broken: Lab, server: str, mode: str, size: Size) -> None:
    """A group whose database or cache dies and comes back ends completed, each answer once."""
    rng = random.Random(size.seed)
    job = broken.group(broken.panel(size.personas), about=f"{server} {mode} {size}", questions=QUESTIONS, mode=mode)
    total = size.personas * QUESTIONS
    for ended in moments(rng, total, size.restarts):
        broken.wait_for_progress(job, ended)
        broken.kill_server(server)
    found = broken.finished(job)
    assert (found["state"], found["items"]["done"], found["items"]["total"]) == ("completed", total, total)
    broken.settle(job)
    records.check_job(broken.engine, job["id"])
    assert broken.read("/dead-letters")["items"] == []


@pytest.mark.parametrize("size", SIZES)
def test_the_model_may_fail_a_third_of_its_calls(broken: Lab, gemini: FakeGemini, size: Size) -> None:
    """Panel and group end; what was made exists once, and what was not is named with its reason."""
    kinds = [*TRANSIENT, "safety", "wrong_schema", "max_tokens", "not_json"]
    gemini.control(mode="mixed", rate=0.3, kinds=kinds, seed=size.seed, retry_after=0.3)
    panel = broken.finished(broken.new_panel(size.personas, seed=1000 + size.seed))
    group = broken.finished(broken.group(panel["id"], about=f"a failing model {size}", questions=QUESTIONS))
    outcomes = gemini.counters()["outcomes"]
    assert sum(count for kind, count in outcomes.items() if kind != "ok") > 0.15 * sum(outcomes.values())
    for job, total in ((panel, size.personas), (group, panel["items"]["done"] * QUESTIONS)):
        items = job["items"]
        assert job["state"] in ("completed", "partial")
        assert (items["total"], items["done"] + items["failed"], items["skipped"]) == (total, total, 0)
        assert sum(reason["items"] for reason in job["reasons"]) == items["failed"]
        assert {reason["code"] for reason in job["reasons"]} <= REASONS
        assert all(reason["detail"] for reason in job["reasons"])
        records.check_job(broken.engine, job["id"])
    transcript = broken.read(f"/focus-groups/{group['subject_id']}/transcript?limit=500")
    assert transcript["total"] == group["items"]["total"]
    gaps = [entry for entry in transcript["items"] if entry["answer"] is None]
    assert len(gaps) == group["items"]["failed"]
    assert all(entry["gap"]["code"] in REASONS for entry in gaps)
