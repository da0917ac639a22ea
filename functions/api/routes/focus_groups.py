"""Focus groups: starting one, and reading what was said and what it comes to."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from common.database.engine import autocommit
from common.errors import NotFound
from common.focus_groups import store, transcript
from common.focus_groups.models import GroupRequest, Stance
from common.focus_groups.service import request_group
from common.focus_groups.views import AnswerView, Entry, GroupView, MemberView, Order, QuestionView
from common.jobs.models import JobView
from common.projects import store as projects
from common.summaries.models import SummaryView
from common.summaries.store import get_summary
from functions.api.context import services, simulated, traceparent, workspace
from functions.api.openapi import operation
from functions.api.pages import CountedPage, IdempotencyHeaders, Page, PageQuery, PositionQuery, read_page, segment_of
from functions.api.problems import Problem
from functions.api.routes.jobs import accepted

blueprint = Blueprint("focus_groups", __name__, url_prefix="/api/v1")
GroupPage = Page[GroupView]
EntryPage = CountedPage[Entry]
AnswerPage = CountedPage[AnswerView]
EXAMPLE = {
    "name": "Oat milk",
    "panel_job_id": "01926b7e-5c1e-7b52-9d5c-5f6f0a6f0c11",
    "questions": ["What do you think about oat milk?", "Would you pay more for it?"],
    "mode": "interview",
}


class SummaryNotFound(NotFound):
    """The group has no summary, and none is being made."""

    code = "summary_not_found"


class QuestionList(BaseModel):
    """The questions of a group, in order."""

    model_config = ConfigDict(frozen=True)

    items: list[QuestionView]


class MemberPage(BaseModel):
    """A page of a group's members, in order."""

    model_config = ConfigDict(frozen=True)

    items: list[MemberView]
    next_cursor: int | None = Field(description="Where the next page begins; null on the last.")


class TranscriptQuery(PositionQuery):
    """Which part of a transcript, in which order."""

    order: Order = Field("persona", description="`persona`: everything each one said; `question`: all answers to each.")
    persona_id: UUID | None = Field(None, description="Only this persona.")
    question: int | None = Field(None, ge=0, le=49, description="Only the question at this position, from 0.")


class AnswersQuery(PositionQuery):
    """Which answers."""

    question: int | None = Field(None, ge=0, le=49, description="Only the question at this position, from 0.")
    persona_id: UUID | None = Field(None, description="Only this persona.")
    stance: Stance | None = Field(None, description="Only this stance.")
    segment: str | None = Field(None, max_length=400, description="Only personas with this label: `dimension:label`.")


@blueprint.post("/projects/<uuid:project_id>/focus-groups")
@operation("focus-groups", example=EXAMPLE, HTTP_202=JobView, HTTP_409=Problem)
def start_focus_group(
    project_id: UUID, json: GroupRequest, headers: IdempotencyHeaders
) -> tuple[JobView, int, dict[str, str]]:
    """Starts a focus group. The job's `subject_id` is the group."""
    job = request_group(
        services().engine,
        services().relay,
        workspace(),
        project_id,
        json,
        idempotency_key=headers.idempotency_key,
        simulated=simulated(),
        traceparent=traceparent(),
    )
    return accepted(job)


@blueprint.get("/projects/<uuid:project_id>/focus-groups")
@operation("focus-groups", HTTP_200=GroupPage)
def list_focus_groups(project_id: UUID, query: PageQuery) -> Page[GroupView]:
    """Lists a project's focus groups, newest first."""
    with autocommit(services().engine) as connection:
        projects.get(connection, workspace(), project_id)
        items, following = read_page(
            query,
            lambda limit, before: store.list_groups(
                connection, workspace(), project_id=project_id, limit=limit, before=before
            ),
        )
    return GroupPage(items=items, next_cursor=following)


@blueprint.get("/focus-groups/<uuid:focus_group_id>")
@operation("focus-groups", HTTP_200=GroupView)
def get_focus_group(focus_group_id: UUID) -> GroupView:
    """A focus group and how far its answers are."""
    with autocommit(services().engine) as connection:
        return store.get(connection, workspace(), focus_group_id)


@blueprint.get("/focus-groups/<uuid:focus_group_id>/questions")
@operation("focus-groups", HTTP_200=QuestionList)
def list_questions(focus_group_id: UUID) -> QuestionList:
    """The questions in order, each with how far its answers are."""
    with autocommit(services().engine) as connection:
        return QuestionList(items=store.questions(connection, workspace(), focus_group_id))


@blueprint.get("/focus-groups/<uuid:focus_group_id>/members")
@operation("focus-groups", HTTP_200=MemberPage)
def list_members(focus_group_id: UUID, query: PositionQuery) -> MemberPage:
    """The personas in the group, in order."""
    with autocommit(services().engine) as connection:
        store.get(connection, workspace(), focus_group_id)
        found = store.members(connection, workspace(), focus_group_id, limit=query.limit + 1, after=query.cursor)
    items = found[: query.limit]
    return MemberPage(items=items, next_cursor=items[-1].position if len(found) > query.limit else None)


@blueprint.get("/focus-groups/<uuid:focus_group_id>/transcript")
@operation("focus-groups", HTTP_200=EntryPage)
def get_transcript(focus_group_id: UUID, query: TranscriptQuery) -> CountedPage[Entry]:
    """What was said, in order, with the reason wherever an answer is missing."""
    with autocommit(services().engine) as connection:
        found = transcript.transcript(
            connection,
            workspace(),
            focus_group_id,
            order=query.order,
            limit=query.limit,
            after=query.cursor,
            persona_id=query.persona_id,
            question_position=query.question,
        )
    return EntryPage(items=found.entries, total=found.total, next_cursor=found.next)


@blueprint.get("/focus-groups/<uuid:focus_group_id>/answers")
@operation("focus-groups", HTTP_200=AnswerPage)
def list_answers(focus_group_id: UUID, query: AnswersQuery) -> CountedPage[AnswerView]:
    """The answers that match all filters, question by question."""
    segment = None if query.segment is None else segment_of("segment", query.segment)
    with autocommit(services().engine) as connection:
        found = transcript.answers(
            connection,
            workspace(),
            focus_group_id,
            limit=query.limit,
            after=query.cursor,
            question_position=query.question,
            persona_id=query.persona_id,
            segment=segment,
            stance=query.stance,
        )
    return AnswerPage(items=found.answers, total=found.total, next_cursor=found.next)


@blueprint.get("/focus-groups/<uuid:focus_group_id>/summary")
@operation("focus-groups", HTTP_200=SummaryView, HTTP_202=SummaryView)
def get_focus_group_summary(focus_group_id: UUID) -> tuple[SummaryView, int]:
    """The analysis of a finished group: 202 while there is none yet, 404 where there will be none."""
    with autocommit(services().engine) as connection:
        summary = get_summary(connection, workspace(), focus_group_id)
    if summary.report is not None:
        return summary, 200
    if summary.state in ("waiting", "running"):
        return summary, 202
    raise SummaryNotFound(f"there is no summary ({summary.state}): {summary.reason or 'nothing could be analysed'}")
