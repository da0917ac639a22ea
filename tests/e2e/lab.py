"""A real stack to break things in, asked through its API as any client would."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from common.database.engine import connect
from local.processes import alive
from local.stack import Stack, start
from tests.e2e import records
from tests.fixtures.eventually import eventually

PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.02
AUDIENCE = "poland-adults"


@dataclass
class Lab:
    """A running stack. Its API may be out for a while when parts of the stack are killed; reading waits for it."""

    stack: Stack
    engine: Engine
    patience: float = PATIENCE_SECONDS
    _panels: dict[int, str] = field(default_factory=dict)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the API answers to a post under /api/v1."""
        response = requests.post(f"{self.stack.url}/api/v1{path}", json=body, timeout=60)
        assert response.ok, response.text
        return response.json()

    def read(self, path: str) -> Any:
        """The JSON at a path under /api/v1, as soon as the API can give it."""
        deadline = time.monotonic() + self.patience
        while True:
            try:
                response = requests.get(f"{self.stack.url}/api/v1{path}", timeout=60)
                if response.status_code < 500:
                    assert response.ok, response.text
                    return response.json()
            except requests.ConnectionError:
                pass
            assert time.monotonic() < deadline, f"no answer to {path}"
            time.sleep(POLL_SECONDS)

    def new_panel(self, size: int, *, seed: int) -> Any:
        """Asks for a panel and returns its job."""
        project = self.post("/projects", {"name": "Faults"})["id"]
        body = {"audience_slug": AUDIENCE, "size": size, "seed": seed, "language": "en"}
        return self.post(f"/projects/{project}/personas:generate", body)

    def panel(self, size: int) -> str:
        """The id of the job of a panel that was made while nothing went wrong."""
        if size not in self._panels:
            self._panels[size] = self.finished(self.new_panel(size, seed=size))["id"]
        return self._panels[size]

    def group(self, panel: str, *, about: str, questions: int, mode: str = "interview") -> Any:
        """Starts a focus group and returns its job. Groups about the same share cached replies."""
        project = self.read(f"/jobs/{panel}")["project_id"]
        asked = [f"What matters to you about {about}? Part {number + 1}." for number in range(questions)]
        body = {"name": about, "panel_job_id": panel, "questions": asked, "mode": mode, "seed": 1}
        return self.post(f"/projects/{project}/focus-groups", body)

    def job_when(self, job: Any, condition: Callable[[Any], bool]) -> Any:
        """The job as soon as a condition holds of it."""
        deadline = time.monotonic() + self.patience
        while not condition(found := self.read(f"/jobs/{job['id']}")):
            assert time.monotonic() < deadline, f"the job stands at {found}"
            time.sleep(POLL_SECONDS)
        return found

    def wait_for_progress(self, job: Any, ended: int) -> None:
        """Waits until so many items have ended, and makes sure that the job has not."""
        found = self.job_when(job, lambda job: job["finished_at"] is not None or progress(job) >= ended)
        assert found["finished_at"] is None, "the job ended before anything could go wrong"

    def finished(self, job: Any) -> Any:
        """The job once it has ended."""
        return self.job_when(job, lambda job: job["finished_at"] is not None)

    def settle(self, job: Any = None) -> None:
        """Waits until nothing of a job, or of any, is left over, and no event waits to be published."""
        job_id = job and job["id"]
        eventually(lambda: self._is_settled(job_id), within=self.patience)

    def kill_worker(self, rng: random.Random) -> None:
        """Kills one of the workers that run with SIGKILL, whichever it is."""
        deadline = time.monotonic() + self.patience
        while not (running := [pid for pid in self.stack.workers() if alive(pid)]):
            assert time.monotonic() < deadline, "no worker came back"
            time.sleep(POLL_SECONDS)
        os.kill(rng.choice(running), signal.SIGKILL)

    def end_workers(self) -> None:
        """Tells all workers to end, as a release does, and waits until others have taken their places."""
        told = self.stack.workers()
        for pid in told:
            os.kill(pid, signal.SIGTERM)
        eventually(lambda: len(set(self.stack.workers()) - set(told)) == len(told), within=self.patience)

    def _is_settled(self, job_id: str | None) -> bool:
        try:
            return not records.unsettled(self.engine, job_id)
        except DBAPIError:  # the server this engine knew was killed a moment ago
            return False

    def kill_server(self, name: str) -> None:
        """Kills a server of the stack with SIGKILL and waits until another has taken its place."""
        pid = self.stack.processes()[name]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.stack.processes().get(name, pid) != pid, within=self.patience)


def progress(job: Any) -> int:
    """How many items of a job have ended."""
    items = job["items"]
    return int(items["done"] + items["failed"] + items["skipped"])


@contextmanager
def lab(settings: Mapping[str, str]) -> Iterator[Lab]:
    """Starts a stack of two workers and ends it.

    Its files lie outside pytest's folders, which every start of pytest closes to the user Postgres runs as.
    """
    common = {"SIGHT_WORKERS": "2", "SIGHT_WORKER_THREADS": "4", "SIGHT_LOG_LEVEL": "WARNING"}
    with TemporaryDirectory(prefix="sight-e2e-", ignore_cleanup_errors=True) as folder:
        with start(data_dir=Path(folder) / "data", settings={**common, **settings}) as stack:
            engine = connect(stack.database_url, pool_size=1)
            yield Lab(stack, engine)
            engine.dispose()
