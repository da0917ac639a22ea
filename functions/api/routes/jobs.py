"""Jobs: how they stand, what happened to them, and stopping them or going on with them."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field

from common.database.engine import autocommit
from common.jobs import control, store
from common.jobs.control import RetryRequest
from common.jobs.models import JobEventView, JobView
from functions.api.context import services, workspace
from functions.api.openapi import operation
from functions.api.pages import Page, PageQuery, read_page
from functions.api.problems import Problem
from functions.api.sse import Streams

blueprint = Blueprint("jobs", __name__, url_prefix="/api/v1/jobs")
JobPage = Page[JobView]
MAX_SEQUENCE = 2**31 - 1


class JobsQuery(PageQuery):
    """Which jobs."""

    project_id: UUID | None = Field(None, description="Only those of this project.")


class EventsQuery(BaseModel):
    """Which events of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(0, ge=0, le=MAX_SEQUENCE, description="Only those after this sequence number.")
    limit: int = Field(500, ge=1, le=1000, description="How many at most; a stream has no end of its own.")


class ResumeHeaders(BaseModel):
    """Where a stream broke off."""

    last_event_id: int | None = Field(
        None, ge=0, le=MAX_SEQUENCE, alias="Last-Event-Id", description="The id of the last event received."
    )


class JobEvents(BaseModel):
    """What happened to a job, oldest first."""

    model_config = ConfigDict(frozen=True)

    items: list[JobEventView]


@blueprint.get("")
@operation("jobs", HTTP_200=JobPage)
def list_jobs(query: JobsQuery) -> Page[JobView]:
    """Lists jobs, newest first, without the reasons of what failed."""
    with autocommit(services().engine) as connection:
        items, following = read_page(
            query,
            lambda limit, before: store.list_jobs(
                connection, workspace(), project_id=query.project_id, limit=limit, before=before
            ),
        )
    return JobPage(items=items, next_cursor=following)


@blueprint.get("/<uuid:job_id>")
@operation("jobs", HTTP_200=JobView, HTTP_304=None)
def get_job(job_id: UUID) -> Response | tuple[JobView, int, dict[str, str]]:
    """How a job stands.

    The ETag is the job's version. With `If-None-Match`, an unchanged job costs next to nothing and answers 304.
    """
    with autocommit(services().engine) as connection:
        if request.if_none_match:
            version = store.version(connection, workspace(), job_id)
            if request.if_none_match.contains_weak(str(version)):
                return Response(status=304, headers=_caching(version))
        job = store.get(connection, workspace(), job_id)
    return job, 200, _caching(job.version)


@blueprint.get("/<uuid:job_id>/events")
@operation("jobs", media="text/event-stream", HTTP_200=JobEvents, HTTP_204=None)
def list_job_events(job_id: UUID, query: EventsQuery, headers: ResumeHeaders) -> Response | JobEvents:
    """What happened to a job after a sequence number, or the stream of it with `Accept: text/event-stream`."""
    if request.accept_mimetypes.best_match(["application/json", "text/event-stream"]) == "text/event-stream":
        return _stream(job_id, query, headers)
    with autocommit(services().engine) as connection:
        store.version(connection, workspace(), job_id)
        events = store.events_since(connection, workspace(), job_id, after=query.after, limit=query.limit)
    return JobEvents(items=events)


@blueprint.get("/<uuid:job_id>/events:stream")
@operation("jobs", media="text/event-stream", HTTP_200=None, HTTP_204=None)
def stream_job_events(job_id: UUID, query: EventsQuery, headers: ResumeHeaders) -> Response:
    """What happens to a job, as server-sent events, until it ends.

    Events carry their sequence as `id`, so that a client that sends it back as `Last-Event-ID` misses none. After
    each batch a `job` event says how the job stands. 204 means that the job has ended and nothing is left to tell.
    """
    return _stream(job_id, query, headers)


@blueprint.post("/<uuid:job_id>:cancel")
@operation("jobs", HTTP_200=JobView, HTTP_409=Problem)
def cancel_job(job_id: UUID) -> JobView:
    """Cancels a running job. What is under way may still be recorded; nothing new begins."""
    control.cancel(services().engine, services().relay, workspace(), job_id)
    return _job(job_id)


@blueprint.post("/<uuid:job_id>:retry")
@operation("jobs", example={"resume": True, "budget_usd": 2.5}, HTTP_202=JobView, HTTP_409=Problem)
def retry_job(job_id: UUID, json: RetryRequest) -> tuple[JobView, int, dict[str, str]]:
    """Runs the failed items of an ended job again, and with `resume` those that were skipped too."""
    control.retry(services().engine, services().relay, workspace(), job_id, json)
    return accepted(_job(job_id))


def accepted(job: JobView) -> tuple[JobView, int, dict[str, str]]:
    """The answer to a request that started a job, or started it before."""
    return job, 202, {"Location": f"{blueprint.url_prefix}/{job.id}"}


def _job(job_id: UUID) -> JobView:
    with autocommit(services().engine) as connection:
        return store.get(connection, workspace(), job_id)


def _stream(job_id: UUID, query: EventsQuery, headers: ResumeHeaders) -> Response:
    streams: Streams = current_app.extensions["streams"]
    after = query.after if headers.last_event_id is None else headers.last_event_id
    return streams.open(services().engine, workspace(), job_id, after)


def _caching(version: int) -> dict[str, str]:
    return {"ETag": f'W/"{version}"', "Cache-Control": "no-cache"}
