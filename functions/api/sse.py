"""Server-sent events of a job: what happened, then how it stands, as it happens (HTML Living Standard, 9.2).

A stream polls the job's version. A connection is taken from the pool for each look and given back, so that
streams of people watching do not keep connections from people working.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from flask import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common.database.engine import autocommit
from common.errors import Unavailable
from common.jobs import store
from common.jobs.errors import JobNotFound
from common.jobs.models import JobEventView, JobView
from common.shutdown import shutting_down

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = structlog.get_logger()

POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 2.0
"""Silence is also how long a reader who left keeps a thread: only writing shows that nobody reads."""
MAX_SECONDS = 240.0
"""A stream ends before the request's time limit on Cloud Run (300 s); the client resumes where it was."""
BATCH = 500
RECONNECT_MS = 1000


class TooManyStreams(Unavailable):
    """This process serves as many streams as it may; polling still works."""

    code = "too_many_streams"


class Streams:
    """Counts a process's open streams: each holds a thread, and some must stay for everything else."""

    def __init__(self, limit: int) -> None:
        self._free = threading.BoundedSemaphore(limit)

    def open(self, engine: Engine, workspace_id: UUID, job_id: UUID, after: int) -> Response:
        """The events of a job after the sequence `after`, and every one to come, until the job or this process ends.

        Answers 204, which tells a browser not to reconnect, when the job has ended and nothing is left to
        tell. Raises `JobNotFound` or `TooManyStreams`.
        """
        with autocommit(engine) as connection:
            job = store.get(connection, workspace_id, job_id)
        if job.finished_at is not None and job.version <= after:
            return Response(status=204)
        if not self._free.acquire(blocking=False):
            raise TooManyStreams("too many streams are open; poll the job instead", retry_after=5)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = Response(
            _follow(engine, workspace_id, job_id, after), headers=headers, content_type="text/event-stream"
        )
        response.call_on_close(_once(self._free.release))
        return response


def _once(release: Callable[[], None]) -> Callable[[], None]:
    """A server may close a response twice."""
    due = [release]
    return lambda: due.pop()() if due else None


def _follow(engine: Engine, workspace_id: UUID, job_id: UUID, after: int) -> Iterator[str]:
    yield f"retry: {RECONNECT_MS}\n\n"
    seen: int | None = None
    end = time.monotonic() + MAX_SECONDS
    spoke = time.monotonic()
    try:
        while time.monotonic() < end and not shutting_down():
            with autocommit(engine) as connection:
                version = store.version(connection, workspace_id, job_id)
                changed = version != seen
                if changed:
                    events = store.events_since(connection, workspace_id, job_id, after=after, limit=BATCH)
                    job = store.get(connection, workspace_id, job_id)
            if changed:
                for event in events:
                    after = event.sequence
                    yield _event(event)
                if len(events) == BATCH:
                    continue
                seen, spoke = version, time.monotonic()
                yield _job(job)
                if job.finished_at is not None and after >= job.version:
                    return
            elif time.monotonic() - spoke > HEARTBEAT_SECONDS:
                spoke = time.monotonic()
                yield ": still here\n\n"
            time.sleep(POLL_SECONDS)
    except (DBAPIError, PoolTimeout, JobNotFound) as error:
        # The status is long sent: ending the stream makes the client resume, and be told then.
        log.warning("stream_ended", job_id=str(job_id), error=type(error).__name__)


def _event(event: JobEventView) -> str:
    return f"id: {event.sequence}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"


def _job(job: JobView) -> str:
    return f"event: job\ndata: {job.model_dump_json()}\n\n"
