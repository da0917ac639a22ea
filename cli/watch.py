"""Follows a job to its end: by its stream of events, which resumes where it broke off, or by asking now and then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import Dropped, Problem, Unreachable

if TYPE_CHECKING:
    from cli.client import Client

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 90.0
"""How long the server may be away before watching ends; the job goes on without being watched."""
STREAM_FAILURES = 3
"""Streams in a row that said nothing of the job before it is asked now and then instead."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands: the server's full answer and the counts of its items."""

    job: dict[str, Any]
    version: int
    done: int
    failed: int
    skipped: int
    total: int

    @property
    def ended(self) -> bool:
        """Whether the job has come to its end."""
        return bool(self.job["state"] != "running")

    @property
    def settled(self) -> int:
        """Items that are no longer open."""
        return self.done + self.failed + self.skipped


def prepare_progress(job: dict[str, Any]) -> Progress:
    """Where a job stands, from the server's full answer."""
    items = job["items"]
    return Progress(job, job["version"], items["done"], items["failed"], items["skipped"], items["total"])


def follow(
    client: Client,
    job_id: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Where the job stands, first now and then after every change, last at its end.

    Raises `Problem` when there is no such job, and `Unreachable` when the server stays away too long.
    """
    progress = prepare_progress(client.get(f"/jobs/{job_id}"))
    yield progress
    fruitless, heard = 0, clock()
    while not progress.ended:
        try:
            if fruitless < STREAM_FAILURES:
                fruitless += 1
                for latest in _streamed(client, job_id, progress):
                    progress, fruitless, heard = latest, 0, clock()
                    yield progress
                if progress.ended:
                    return
            latest = _asked(client, job_id, progress)
        except Unreachable as error:
            if clock() - heard > PATIENCE_SECONDS:
                hint = f"The job goes on without you. See how it does with: sight watch {job_id}"
                raise Unreachable(error.message, hint=hint) from error
            sleep(POLL_SECONDS)
            continue
        heard = clock()
        if latest is not progress:
            progress = latest
            yield progress
        elif fruitless:
            sleep(POLL_SECONDS)


def _asked(client: Client, job_id: str, progress: Progress) -> Progress:
    """Where the job stands now, which costs the server next to nothing when nothing changed."""
    answer = client.ask("GET", f"/jobs/{job_id}", headers={"If-None-Match": f'W/"{progress.version}"'})
    return progress if answer.body is None else prepare_progress(answer.body)


def _streamed(client: Client, job_id: str, progress: Progress) -> Iterator[Progress]:
    """Where the job stands, as its stream tells it, until that ends or breaks. A server that has no stream to
    give (it serves enough of them, or something in between does not let them through) is no error."""
    try:
        for event in client.events(f"/jobs/{job_id}/events:stream", after=str(progress.version)):
            if event.type != "job":
                continue
            latest = prepare_progress(json.loads(event.data))
            if latest.version > progress.version:
                progress = latest
                yield progress
    except Dropped:
        return
    except Problem as error:
        if error.status in (401, 403):
            raise
