"""Analyses what has finished: reviews panels and summarises focus groups."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from common.bootstrap import services
from common.database.engine import autocommit
from common.events.models import AnalysisRequested, JobFinished
from common.jobs.ends import hearing
from common.jobs.store import kind_of
from common.jobs.work import work
from common.personas.review import begin_review, review
from common.summaries.analysis import analyse
from common.summaries.service import begin_summary

if TYPE_CHECKING:
    from flask import Request

READS: TypeAdapter[AnalysisRequested | JobFinished] = TypeAdapter(
    Annotated[AnalysisRequested | JobFinished, Field(discriminator="type")]
)
BEGINS: dict[str, Any] = {"personas": begin_review, "focus_group": begin_summary, "summary": begin_summary}
"""The end of a summary may begin another: one whose failed parts were read at last is made anew."""

MAKES = {"panel_review": review, "summary": analyse}


def summary(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-results."""
    return services().receiver.receive(request.get_data(), request.headers, READS, _handle)


def _handle(event: AnalysisRequested | JobFinished) -> None:
    s = services()
    if isinstance(event, JobFinished):
        with hearing(s.engine, event):
            if event.kind in BEGINS:
                BEGINS[event.kind](event, s.engine, s.relay)
        return
    with autocommit(s.engine) as connection:
        kind = kind_of(connection, event.workspace_id, event.job_id)
    perform = partial(MAKES[kind], engine=s.engine, llm=s.llm)
    work(event, kind=kind, reserve_micros=s.reserve_micros(kind), engine=s.engine, relay=s.relay, perform=perform)
