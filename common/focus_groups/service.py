"""Accepts focus groups and lays out their answers."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import text

from common.database import statement
from common.database.engine import autocommit
from common.errors import FieldError, InvalidInput
from common.focus_groups.errors import PanelChanged
from common.ids import new_id
from common.jobs import accept
from common.jobs.accept import Along
from common.jobs.models import NewItem, NewJob
from common.personas.models import MAX_PERSONAS, MIN_PERSONAS
from common.projects import store as projects
from common.projects.errors import ProjectNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.outbox import Relay
    from common.focus_groups.models import GroupRequest
    from common.jobs.fan_out import Layout
    from common.jobs.models import JobView


KIND = "focus_group"
MAX_NAMED = 20
"""So many wrong ids are named; more would tell nobody more."""


def request_group(
    engine: Engine,
    relay: Relay,
    workspace_id: UUID,
    project_id: UUID,
    request: GroupRequest,
    *,
    idempotency_key: str | None,
    simulated: bool,
    traceparent: str = "",
) -> JobView:
    """Accepts a focus group, once for each idempotency key, has its job started and returns the job, whose subject
    is the group.

    Raises `InvalidInput` naming the field, `ProjectNotFound`, `IdempotencyKeyReused` or `PanelChanged`;
    nothing is then written.
    """
    _check_members(request)
    wanted = accept.request_hash(KIND, {"project_id": str(project_id), **request.model_dump(mode="json")})
    repeated = accept.find_repeat(engine, workspace_id, idempotency_key, wanted)
    if repeated is not None:
        return repeated
    members = _count_members(engine, workspace_id, project_id, request)
    job = NewJob(
        id=new_id(),
        project_id=project_id,
        kind=KIND,
        flow="chain" if request.mode == "interview" else "rounds",
        rounds=len(request.questions),
        total=members * len(request.questions),
        spec={"mode": request.mode, "language": request.language},
        seed=secrets.randbits(31) if request.seed is None else request.seed,
        simulated=simulated,
        request_hash=wanted,
        subject_id=new_id(),
        idempotency_key=idempotency_key,
        budget_micros=None if request.budget_usd is None else round(request.budget_usd * 1_000_000),
        deadline_seconds=request.deadline_seconds,
        traceparent=traceparent,
    )
    accepted = accept.accept(engine, workspace_id, job, _group(request, members))
    if accepted is None:
        repeated = accept.find_repeat(engine, workspace_id, idempotency_key, wanted)
        if repeated is None:
            with autocommit(engine) as connection:
                projects.get(connection, workspace_id, project_id)
            raise PanelChanged("the panel changed while the group was being accepted; send the request again")
        return repeated
    relay.offer(accepted.pending)
    return accepted.job


def _check_members(request: GroupRequest) -> None:
    if request.persona_ids is None:
        if request.panel_job_id is None:
            raise InvalidInput.of("persona_ids", "give either persona_ids or panel_job_id")
        return
    if request.panel_job_id is not None:
        raise InvalidInput.of("panel_job_id", "give either persona_ids or panel_job_id, not both")
    if request.without_duplicates:
        raise InvalidInput.of("without_duplicates", "goes with panel_job_id; persona_ids are taken as they are")
    first: dict[UUID, int] = {}
    twice = [
        FieldError(f"persona_ids[{index}]", f"the same persona as persona_ids[{first[persona_id]}]")
        for index, persona_id in enumerate(request.persona_ids)
        if first.setdefault(persona_id, index) != index
    ]
    _refuse(twice)


def _refuse(errors: Sequence[FieldError]) -> None:
    if not errors:
        return
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise InvalidInput(f"{errors[0].field}: {errors[0].message}{more}", errors=tuple(errors[:MAX_NAMED]))


_PROJECT = """EXISTS (SELECT 1 FROM projects WHERE id = CAST(:project AS uuid)
    AND workspace_id = CAST(:workspace AS uuid) AND deleted_at IS NULL)"""

_CHECK_IDS = f"""
SELECT {_PROJECT}, w.index, w.id
FROM (VALUES (1)) AS one
LEFT JOIN (
    SELECT CAST(w.n - 1 AS int) AS index, w.id FROM unnest(CAST(:a_ids AS uuid[])) WITH ORDINALITY AS w(id, n)
    WHERE NOT EXISTS (SELECT 1 FROM personas p WHERE p.id = w.id AND p.workspace_id = CAST(:workspace AS uuid)
                      AND p.project_id = CAST(:project AS uuid) AND p.deleted_at IS NULL)
) w ON true
ORDER BY w.index
"""

_OF_THE_PANEL = """
FROM personas p WHERE p.job_id = CAST(:a_panel AS uuid) AND p.workspace_id = CAST(:workspace AS uuid)
  AND p.project_id = CAST(:project AS uuid)
  AND p.deleted_at IS NULL AND (NOT CAST(:a_without_duplicates AS boolean) OR p.duplicate_of IS NULL)
"""

_CHECK_PANEL = f"""
SELECT {_PROJECT},
       (SELECT state FROM jobs WHERE id = CAST(:a_panel AS uuid) AND workspace_id = CAST(:workspace AS uuid)
                               AND project_id = CAST(:project AS uuid) AND kind = 'personas'),
       (SELECT reviewed_at IS NOT NULL FROM panels
        WHERE job_id = CAST(:a_panel AS uuid) AND workspace_id = CAST(:workspace AS uuid)),
       (SELECT count(*) {_OF_THE_PANEL})
"""


def _count_members(engine: Engine, workspace_id: UUID, project_id: UUID, request: GroupRequest) -> int:
    """How many personas will sit in the group, all of them found."""
    parameters = {"workspace": workspace_id, "project": project_id, **_members(request)}
    if request.persona_ids is not None:
        rows = statement.run(engine, _CHECK_IDS, parameters)
        _check_project(rows[0][0], project_id)
        _refuse(
            [
                FieldError(f"persona_ids[{index}]", f"there is no persona {id_} in this project")
                for _, index, id_ in rows
                if index is not None
            ]
        )
        return len(request.persona_ids)
    project, state, reviewed, personas = statement.run(engine, _CHECK_PANEL, parameters)[0]
    _check_project(project, project_id)
    if state is None:
        raise InvalidInput.of("panel_job_id", f"there is no panel of job {request.panel_job_id} in this project")
    if state == "running":
        raise InvalidInput.of("panel_job_id", "the panel is still being made; wait until its job has ended")
    if request.without_duplicates and not reviewed:
        raise InvalidInput.of("without_duplicates", "the panel has not been searched for duplicates yet")
    if not MIN_PERSONAS <= personas <= MAX_PERSONAS:
        raise InvalidInput.of(
            "panel_job_id",
            f"a group takes {MIN_PERSONAS} to {MAX_PERSONAS:,} personas, and the panel has {personas:,}",
        )
    return int(personas)


def _check_project(found: bool, project_id: UUID) -> None:
    if not found:
        raise ProjectNotFound(f"there is no project {project_id}")


def _members(request: GroupRequest) -> dict[str, object]:
    """What says who sits in the group, as parameters."""
    if request.persona_ids is not None:
        return {"a_ids": _uuid_array(request.persona_ids)}
    return {"a_panel": request.panel_job_id, "a_without_duplicates": request.without_duplicates}


_CHOSEN = "SELECT CAST(:a_ids AS uuid[]) AS ids"
_PANEL = f"SELECT coalesce(array_agg(p.id ORDER BY p.position, p.id), '{{}}') AS ids {_OF_THE_PANEL}"

_WRITES = """, new AS (
    INSERT INTO focus_groups (id, workspace_id, project_id, job_id, name, mode, language, briefing, member_ids)
    SELECT job.subject_id, job.workspace_id, job.project_id, job.id, :a_name, :a_mode, :a_language, :a_briefing,
           members.ids
    FROM job, members
), asked AS (
    INSERT INTO questions (id, workspace_id, focus_group_id, position, text)
    SELECT gen_random_uuid(), job.workspace_id, job.subject_id, q.n - 1, q.text
    FROM job, jsonb_array_elements_text(CAST(:a_questions AS jsonb)) WITH ORDINALITY AS q(text, n)
)
"""


def _group(request: GroupRequest, members: int) -> Along:
    """The group with its members and questions, where there are still as many members as were counted."""
    return Along(
        reads=f"members AS ({_PANEL if request.persona_ids is None else _CHOSEN}),",
        condition="(SELECT cardinality(ids) FROM members) = CAST(:a_members AS int)",
        writes=_WRITES,
        parameters={
            "a_members": members,
            "a_name": request.name,
            "a_mode": request.mode,
            "a_language": request.language,
            "a_briefing": request.briefing,
            "a_questions": json.dumps(request.questions, ensure_ascii=False),
            **_members(request),
        },
    )


def _uuid_array(ids: Sequence[UUID]) -> str:
    """The ids as Postgres writes an array: the driver would take 8 ms for a thousand."""
    return f"{{{','.join(map(str, ids))}}}"


def expand(connection: Connection, layout: Layout) -> list[NewItem]:
    """The answers at a range of positions: persona by persona, each from the first question to the last."""
    rows = connection.execute(
        text("""
            SELECT m.position * :questions + q.position AS position, q.position AS round, m.persona_id,
                   q.id AS question_id
            FROM focus_group_members m JOIN questions q ON q.focus_group_id = m.focus_group_id
            WHERE m.focus_group_id = :group AND m.workspace_id = :workspace
              AND m.position BETWEEN :first_member AND :last_member
              AND m.position * :questions + q.position BETWEEN :first AND :last
            ORDER BY 1
        """),
        {
            "group": layout.subject_id,
            "workspace": layout.workspace_id,
            "questions": layout.rounds,
            "first_member": layout.start // layout.rounds,
            "last_member": (layout.stop - 1) // layout.rounds,
            "first": layout.start,
            "last": layout.stop - 1,
        },
    )
    return [
        NewItem(
            position=row.position,
            round=row.round,
            persona_id=row.persona_id,
            question_id=row.question_id,
        )
        for row in rows
    ]
