"""Accepts focus groups and lays out their answers."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from common.errors import FieldError, InvalidInput
from common.focus_groups.errors import PanelChanged
from common.ids import new_id
from common.jobs import accept
from common.jobs.models import NewItem, NewJob
from common.personas.models import MAX_PERSONAS, MIN_PERSONAS
from common.projects.errors import ProjectNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.outbox import Relay
    from common.focus_groups.models import GroupRequest
    from common.jobs.fan_out import Layout


KIND = "focus_group"
MAX_NAMED = 20
"""So many wrong ids are named; more would tell nobody more."""


class AcceptedGroup(NamedTuple):
    """The job that makes a group's answers, and the group."""

    job_id: UUID
    focus_group_id: UUID


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
) -> AcceptedGroup:
    """Accepts a focus group, once for each idempotency key, and has its job started.

    Raises `InvalidInput` naming the field, `ProjectNotFound`, `IdempotencyKeyReused` or `PanelChanged`;
    nothing is then written.
    """
    _check_members(request)
    wanted = accept.request_hash(KIND, {"project_id": str(project_id), **request.model_dump(mode="json")})
    accepted = AcceptedGroup(new_id(), new_id())
    with engine.begin() as connection:
        repeated = _find_repeat(connection, workspace_id, idempotency_key, wanted)
        if repeated is not None:
            return repeated
        members = _count_members(connection, workspace_id, project_id, request)
        job = NewJob(
            id=accepted.job_id,
            project_id=project_id,
            kind=KIND,
            flow="chain" if request.mode == "interview" else "rounds",
            rounds=len(request.questions),
            total=members * len(request.questions),
            spec={"mode": request.mode, "language": request.language},
            seed=secrets.randbits(31) if request.seed is None else request.seed,
            simulated=simulated,
            request_hash=wanted,
            subject_id=accepted.focus_group_id,
            idempotency_key=idempotency_key,
            budget_micros=None if request.budget_usd is None else round(request.budget_usd * 1_000_000),
            deadline_seconds=request.deadline_seconds,
            traceparent=traceparent,
        )
        pending = accept.accept(connection, workspace_id, job)
        if pending is not None and _insert_group(connection, workspace_id, accepted, project_id, request) != members:
            raise PanelChanged("the panel changed while the group was being accepted; send the request again")
    if pending is None:
        return _accepted_by_someone_else(engine, workspace_id, idempotency_key, wanted)
    relay.offer(pending)
    return accepted


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


def _find_repeat(connection: Connection, workspace_id: UUID, key: str | None, wanted: str) -> AcceptedGroup | None:
    job_id = accept.find_repeat(connection, workspace_id, key, wanted)
    if job_id is None:
        return None
    group_id = connection.execute(
        text("SELECT subject_id FROM jobs WHERE id = :job AND workspace_id = :workspace"),
        {"job": job_id, "workspace": workspace_id},
    ).scalar_one()
    return AcceptedGroup(job_id, group_id)


def _accepted_by_someone_else(engine: Engine, workspace_id: UUID, key: str | None, wanted: str) -> AcceptedGroup:
    with engine.connect() as connection:
        accepted = _find_repeat(connection, workspace_id, key, wanted)
    assert accepted is not None, "only a job with the same key keeps this one from being accepted"
    return accepted


_PROJECT = "EXISTS (SELECT 1 FROM projects WHERE id = :project AND workspace_id = :workspace AND deleted_at IS NULL)"

_CHECK_IDS = text(f"""
SELECT {_PROJECT} AS project, w.index, w.id
FROM (VALUES (1)) AS one
LEFT JOIN (
    SELECT w.n - 1 AS index, w.id FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS w(id, n)
    WHERE NOT EXISTS (SELECT 1 FROM personas p WHERE p.id = w.id AND p.workspace_id = :workspace
                      AND p.project_id = :project AND p.deleted_at IS NULL)
) w ON true
ORDER BY w.index
""")

_OF_THE_PANEL = """
FROM personas p WHERE p.job_id = :panel AND p.workspace_id = :workspace AND p.project_id = :project
  AND p.deleted_at IS NULL AND (NOT :without_duplicates OR p.duplicate_of IS NULL)
"""

_CHECK_PANEL = text(f"""
SELECT {_PROJECT} AS project,
       (SELECT state FROM jobs WHERE id = :panel AND workspace_id = :workspace AND project_id = :project
                               AND kind = 'personas') AS state,
       (SELECT reviewed_at IS NOT NULL FROM panels WHERE job_id = :panel AND workspace_id = :workspace) AS reviewed,
       (SELECT count(*) {_OF_THE_PANEL}) AS personas
""")


def _count_members(connection: Connection, workspace_id: UUID, project_id: UUID, request: GroupRequest) -> int:
    """How many personas will sit in the group, all of them found."""
    ids = {"workspace": workspace_id, "project": project_id}
    if request.persona_ids is not None:
        rows = connection.execute(_CHECK_IDS, ids | {"ids": _uuid_array(request.persona_ids)}).all()
        _check_project(rows[0].project, project_id)
        _refuse(
            [
                FieldError(f"persona_ids[{row.index}]", f"there is no persona {row.id} in this project")
                for row in rows
                if row.index is not None
            ]
        )
        return len(request.persona_ids)
    panel = connection.execute(_CHECK_PANEL, ids | _panel(request)).one()
    _check_project(panel.project, project_id)
    if panel.state is None:
        raise InvalidInput.of("panel_job_id", f"there is no panel of job {request.panel_job_id} in this project")
    if panel.state == "running":
        raise InvalidInput.of("panel_job_id", "the panel is still being made; wait until its job has ended")
    if request.without_duplicates and not panel.reviewed:
        raise InvalidInput.of("without_duplicates", "the panel has not been searched for duplicates yet")
    if not MIN_PERSONAS <= panel.personas <= MAX_PERSONAS:
        raise InvalidInput.of(
            "panel_job_id",
            f"a group takes {MIN_PERSONAS} to {MAX_PERSONAS:,} personas, and the panel has {panel.personas:,}",
        )
    return int(panel.personas)


def _check_project(found: bool, project_id: UUID) -> None:
    if not found:
        raise ProjectNotFound(f"there is no project {project_id}")


def _panel(request: GroupRequest) -> dict[str, Any]:
    return {"panel": request.panel_job_id, "without_duplicates": request.without_duplicates}


_INSERT = """
WITH members AS (
    {members}
), new AS (
    INSERT INTO focus_groups (id, workspace_id, project_id, job_id, name, mode, language, briefing, member_ids)
    SELECT :id, :workspace, :project, :job, :name, :mode, :language, :briefing, members.ids FROM members
    RETURNING id, workspace_id, member_ids
), asked AS (
    INSERT INTO questions (id, workspace_id, focus_group_id, position, text)
    SELECT gen_random_uuid(), new.workspace_id, new.id, q.n - 1, q.text
    FROM new, jsonb_array_elements_text(CAST(:questions AS jsonb)) WITH ORDINALITY AS q(text, n)
)
SELECT cardinality(member_ids) FROM new
"""

_INSERT_WITH_IDS = text(_INSERT.format(members="SELECT CAST(:ids AS uuid[]) AS ids"))
_INSERT_WITH_PANEL = text(
    _INSERT.format(members=f"SELECT coalesce(array_agg(p.id ORDER BY p.position, p.id), '{{}}') AS ids {_OF_THE_PANEL}")
)


def _insert_group(
    connection: Connection, workspace_id: UUID, accepted: AcceptedGroup, project_id: UUID, request: GroupRequest
) -> int:
    """Writes the group with its members and questions, and returns how many members it has."""
    parameters = {
        "id": accepted.focus_group_id,
        "workspace": workspace_id,
        "project": project_id,
        "job": accepted.job_id,
        "name": request.name,
        "mode": request.mode,
        "language": request.language,
        "briefing": request.briefing,
        "questions": json.dumps(request.questions, ensure_ascii=False),
    }
    if request.persona_ids is not None:
        members = connection.execute(_INSERT_WITH_IDS, parameters | {"ids": _uuid_array(request.persona_ids)})
    else:
        members = connection.execute(_INSERT_WITH_PANEL, parameters | _panel(request))
    return int(members.scalar_one())


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
            ready=row.round == 0,
            persona_id=row.persona_id,
            question_id=row.question_id,
        )
        for row in rows
    ]
