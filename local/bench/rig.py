"""The stack under measurement: the real Gemini adapter against a fake Gemini in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from local.bench.processes import PeakMemory, cpu_seconds, family
from local.stack import Stack, start

ROOT = Path(__file__).parents[2]
AUDIENCE = "poland-adults"
QUESTIONS = (
    "What would make you try an oat drink instead of milk?",
    "How much more than for milk would you pay for it, and why?",
    "What worries you about it?",
    "Who in your family would decide, and how?",
)
POLL_SECONDS = 0.25
FASTEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """One job, measured. Times in seconds, memory in bytes; `wall` is from accepting to the last record."""

    job: Mapping[str, Any]
    wall: float
    calls: int
    duplicates: int
    cpu: float
    peak_memory: int


@dataclass(frozen=True, slots=True)
class Rig:
    """A running stack and the model it talks to."""

    stack: Stack
    model_url: str
    concurrency: int

    def latency(self, seconds: float) -> None:
        """Sets what each LLM call takes, and forgets the calls counted so far."""
        requests.post(
            f"{self.model_url}/control", json={"latency": seconds, "reset": True}, timeout=10
        ).raise_for_status()

    def counters(self) -> Mapping[str, Any]:
        """What the model was asked since the latency was last set."""
        counted: Mapping[str, Any] = requests.get(f"{self.model_url}/control", timeout=10).json()
        return counted

    def post(self, path: str, body: Mapping[str, Any], session: requests.Session | None = None) -> Mapping[str, Any]:
        """Posts to the API, on the kept connection of a session if there is one."""
        response = (session or requests.Session()).post(f"{self.stack.url}/api/v1{path}", json=body, timeout=60)
        response.raise_for_status()
        posted: Mapping[str, Any] = response.json()
        return posted

    def project(self) -> str:
        """The id of a new project."""
        return str(self.post("/projects", {"name": "Benchmark"})["id"])

    def panel(self, project: str, size: int, seed: int) -> Run:
        """Generates a panel and waits for it."""
        return self.run(
            f"/projects/{project}/personas:generate",
            {"audience_slug": AUDIENCE, "size": size, "seed": seed, "language": "en"},
        )

    def group(self, project: str, panel: Run, seed: int) -> Run:
        """Runs a focus group of four questions on a panel and waits for it."""
        return self.run(*self._group(project, panel, seed))

    def start_group(self, project: str, panel: Run, seed: int) -> str:
        """Starts such a group, unmeasured, and returns its job's id."""
        return str(self.post(*self._group(project, panel, seed))["id"])

    def _group(self, project: str, panel: Run, seed: int) -> tuple[str, Mapping[str, Any]]:
        return f"/projects/{project}/focus-groups", {
            "name": "Oat drink",
            "panel_job_id": panel.job["id"],
            "questions": QUESTIONS,
            "mode": "interview",
            "seed": seed,
            "language": "en",
        }

    def run(self, path: str, body: Mapping[str, Any]) -> Run:
        """Posts a job and measures it to its end. Raises RuntimeError when it does not complete."""
        processes = family(self.stack.pids())
        cpu = cpu_seconds(processes)
        with PeakMemory(self.stack.pids) as peak:
            job = self.wait(self.post(path, body)["id"])
        counted = self.counters()
        cpu = cpu_seconds(family(self.stack.pids())) - cpu
        self.settle()
        if job["state"] != "completed":
            raise RuntimeError(f"the job ended as {job['state']}: {job['reasons']}")
        wall = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])
        return Run(
            job=job,
            wall=wall.total_seconds(),
            calls=counted["endpoints"].get("generateContent", 0),
            duplicates=counted["duplicates"],
            cpu=cpu,
            peak_memory=peak.bytes,
        )

    def settle(self) -> None:
        """Waits for the analyses that finished jobs have set going, so that they do not weigh on what comes next."""
        open_jobs = True
        while open_jobs:
            time.sleep(POLL_SECONDS)
            jobs = requests.get(f"{self.stack.url}/api/v1/jobs?limit=5", timeout=60).json()["items"]
            open_jobs = any(job["finished_at"] is None for job in jobs)

    def job(self, job_id: str) -> Mapping[str, Any]:
        """How a job stands."""
        job: Mapping[str, Any] = requests.get(f"{self.stack.url}/api/v1/jobs/{job_id}", timeout=60).json()
        return job

    def wait(self, job_id: str) -> Mapping[str, Any]:
        """The job once it has ended."""
        deadline = time.monotonic() + FASTEST_SECONDS
        while time.monotonic() < deadline:
            job = self.job(job_id)
            if job["finished_at"] is not None:
                return job
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"the job did not end in {FASTEST_SECONDS:.0f} s")


@contextmanager
def rig(settings: Mapping[str, str]) -> Iterator[Rig]:
    """Starts a stack with fresh data, these settings and the fake model, and ends both."""
    with tempfile.TemporaryDirectory(prefix="sight-bench-") as folder, _model() as model_url:
        stack = start(
            data_dir=Path(folder),
            port=0,
            settings={
                "SIGHT_LLM": "gemini",
                "GOOGLE_API_KEY": "benchmark",
                "SIGHT_GEMINI_ENDPOINT": model_url,
                "SIGHT_LOG_LEVEL": "WARNING",
                **settings,
            },
        )
        try:
            yield Rig(stack, model_url, stack.concurrency)
        finally:
            stack.stop()


@contextmanager
def _model() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.gemini", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
