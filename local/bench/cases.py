"""What is measured, and what is to be reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import quantiles

import requests

from local.bench.figures import Figure
from local.bench.rig import QUESTIONS, Rig, Run

MEGABYTE = 2**20
PERSONAS = "personas 20, 2.0 s"


@dataclass(frozen=True, slots=True)
class Ideal:
    """The least time the calls themselves take: the longest chain of calls, or all calls over the allowed
    concurrency where that is longer."""

    seconds: float
    rests_on: str


def ideal(chain: int, calls: int, latency: float, concurrency: int) -> Ideal:
    """The ideal of a job whose longest chain is `chain` calls."""
    in_chain, in_all = chain * latency, calls * latency / concurrency
    return Ideal(in_chain, f"chain of {chain}") if in_chain >= in_all else Ideal(in_all, f"{calls} / {concurrency}")


def personas(rig: Rig) -> Iterable[Figure]:
    """20 personas at 2.0 s, first with no brief known and then the same panel with every brief known."""
    rig.latency(0.0)
    rig.panel(rig.project(), 2, seed=1)
    for case, chain, target in ((f"{PERSONAS}, briefs unknown", 2, None), (PERSONAS, 1, 1.15)):
        rig.latency(2.0)
        run = rig.panel(rig.project(), 20, seed=13)
        yield from _timed(case, run, ideal(chain, run.calls, 2.0, rig.concurrency), target)


def group_slow(rig: Rig) -> Iterable[Figure]:
    """A focus group of 20 x 4 at 1.0 s."""
    yield from _group(rig, "group 20 x 4, 1.0 s", 1.0, 1.10)


def group_fast(rig: Rig) -> Iterable[Figure]:
    """A focus group of 20 x 4 at 0.2 s."""
    yield from _group(rig, "group 20 x 4, 0.2 s", 0.2, 1.6)


def group_large(rig: Rig) -> Iterable[Figure]:
    """Focus groups of 100 x 4 and 1000 x 4 at 0.2 s: time, memory, and how the cost of an answer grows."""
    rig.latency(0.0)
    project = rig.project()
    panels = {size: rig.panel(project, size, seed=size) for size in (100, 1000)}
    rig.latency(0.2)
    small = [rig.group(project, panels[100], seed=seed) for seed in (1, 3, 5)]  # one alone is too short to tell
    rig.latency(0.2)
    large = rig.group(project, panels[1000], seed=2)
    case, answers = "group 1000 x 4, 0.2 s", 1000 * len(QUESTIONS)
    yield from _timed(case, large, ideal(len(QUESTIONS), large.calls, 0.2, rig.concurrency), None)
    yield Figure(case, "wall", large.wall, "s", 30.0)
    yield Figure(case, "peak memory", large.peak_memory / MEGABYTE, "MB", 600.0)
    of_small = sum(run.cpu for run in small) / (100 * len(QUESTIONS) * len(small))
    per_answer = {100: of_small, 1000: large.cpu / answers}
    yield Figure("group 100 x 4, 0.2 s", "CPU per answer", per_answer[100] * 1000, "ms")
    yield Figure(case, "CPU per answer over 100 x 4", per_answer[1000] / per_answer[100], "ratio", 1.2)


def accepting(rig: Rig) -> Iterable[Figure]:
    """Accepting focus groups while one of 1000 x 4 runs."""
    rig.latency(0.0)
    project = rig.project()
    load, small = rig.panel(project, 1000, seed=1000), rig.panel(project, 20, seed=3)
    rig.latency(0.2)
    # Nobody watches memory meanwhile: reading it stops the processes it is read of.
    running = rig.start_group(project, load, seed=4)
    time.sleep(2.0)
    seconds: list[float] = []
    session = requests.Session()
    while len(seconds) < 100:
        began = time.perf_counter()
        rig.post(
            f"/projects/{project}/focus-groups",
            {"name": "Small", "panel_job_id": small.job["id"], "questions": QUESTIONS[:1], "seed": len(seconds)},
            session,
        )
        seconds.append(time.perf_counter() - began)
        time.sleep(0.1)
    if rig.job(running)["finished_at"] is not None:
        raise RuntimeError("the load ended before the last request")
    rig.wait(running)
    cuts = quantiles(seconds, n=100, method="inclusive")
    case = "accepting, while 1000 x 4 runs"
    yield Figure(case, "requests", len(seconds), "")
    yield Figure(case, "p50", cuts[49] * 1000, "ms")
    yield Figure(case, "p95", cuts[94] * 1000, "ms", 50.0)


CASES: Mapping[str, Callable[[Rig], Iterable[Figure]]] = {
    "personas": personas,
    "group-slow": group_slow,
    "group-fast": group_fast,
    "group-large": group_large,
    "accepting": accepting,
}


SETTINGS: Mapping[str, Mapping[str, str]] = {"personas": {"SIGHT_LLM_CACHE_DAYS": "0"}}
"""What a case needs set: the same panel twice would be answered from the cache of replies."""


def _group(rig: Rig, case: str, latency: float, target: float) -> Iterable[Figure]:
    rig.latency(0.0)
    project = rig.project()
    panel = rig.panel(project, 20, seed=20)
    rig.group(project, panel, seed=4)  # the targets are of a warm stack
    rig.latency(latency)
    run = rig.group(project, panel, seed=5)
    best = ideal(len(QUESTIONS), run.calls, latency, rig.concurrency)
    yield from _timed(case, run, best, target)
    yield Figure(case, "overhead per hop", (run.wall - best.seconds) / len(QUESTIONS) * 1000, "ms")


def _timed(case: str, run: Run, best: Ideal, target: float | None) -> Iterable[Figure]:
    answers = run.job["items"]["done"]
    yield Figure(case, "wall", run.wall, "s")
    yield Figure(case, f"ideal ({best.rests_on})", best.seconds, "s")
    yield Figure(case, "wall / ideal", run.wall / best.seconds, "ratio", target)
    yield Figure(case, "calls", run.calls, "")
    yield Figure(case, "duplicates", run.duplicates, "", 0)
    yield Figure(case, "CPU per answer", run.cpu / answers * 1000, "ms")
    yield Figure(case, "peak memory", run.peak_memory / MEGABYTE, "MB")
