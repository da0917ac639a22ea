"""Reads personas, lists them by what they are, and deletes them so that it can be undone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.personas.errors import PersonaNotFound
from common.personas.models import PersonaPage, PersonaView, Profile, Quality, Traits

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.personas.models import PersonaFilters

_COLUMNS = """
    p.id, p.project_id, p.job_id, p.position, p.name, p.headline, p.language, p.demographics, p.profile, p.traits,
    p.quality, p.duplicate_of, p.model, p.prompt_hash, p.simulated, p.created_at
"""


def get(connection: Connection, workspace_id: UUID, persona_id: UUID) -> PersonaView:
    """One persona. Raises `PersonaNotFound`."""
    row = connection.execute(
        text(f"""
            SELECT {_COLUMNS} FROM personas p
            WHERE p.id = :id AND p.workspace_id = :workspace AND p.deleted_at IS NULL
        """),
        {"id": persona_id, "workspace": workspace_id},
    ).one_or_none()
    return _found(row, persona_id)


def list_personas(
    connection: Connection,
    workspace_id: UUID,
    project_id: UUID,
    filters: PersonaFilters,
    *,
    limit: int,
    after: UUID | None = None,
) -> PersonaPage:
    """Personas of a project, those of the newest panel first and in the order of their seats; `after` is the
    last id of the page before. Raises `PersonaNotFound` when that persona is not of this workspace."""
    conditions, parameters = _matching(filters)
    parameters |= {"workspace": workspace_id, "project": project_id}
    matching = (
        "FROM personas p WHERE p.workspace_id = :workspace AND p.project_id = :project AND p.deleted_at IS NULL"
        + "".join(f" AND {condition}" for condition in conditions)
    )
    total = connection.execute(text(f"SELECT count(*) {matching}"), parameters).scalar_one()
    page = ""
    if after is not None:
        job_id, position = _place(connection, workspace_id, after)
        parameters |= {"after_job": job_id, "after_position": position}
        page = " AND (p.job_id < :after_job OR (p.job_id = :after_job AND p.position > :after_position))"
    rows = connection.execute(
        text(f"SELECT {_COLUMNS} {matching}{page} ORDER BY p.job_id DESC, p.position LIMIT :limit"),
        {**parameters, "limit": limit + 1},
    ).all()
    items = [_view(row) for row in rows[:limit]]
    return PersonaPage(items=items, total=int(total), next_cursor=items[-1].id if len(rows) > limit else None)


def delete(connection: Connection, workspace_id: UUID, persona_id: UUID) -> None:
    """Marks a persona as deleted: it is listed no more, and what it said stays. Deleting it again changes
    nothing. Raises `PersonaNotFound`."""
    row = connection.execute(
        text("""
            UPDATE personas SET deleted_at = coalesce(deleted_at, now())
            WHERE id = :id AND workspace_id = :workspace RETURNING id
        """),
        {"id": persona_id, "workspace": workspace_id},
    ).one_or_none()
    if row is None:
        raise PersonaNotFound(f"there is no persona {persona_id}")


def undelete(connection: Connection, workspace_id: UUID, persona_id: UUID) -> PersonaView:
    """Takes a deletion back; a persona that is not deleted stays as it is. Raises `PersonaNotFound`."""
    row = connection.execute(
        text(f"""
            UPDATE personas p SET deleted_at = NULL
            WHERE p.id = :id AND p.workspace_id = :workspace RETURNING {_COLUMNS}
        """),
        {"id": persona_id, "workspace": workspace_id},
    ).one_or_none()
    return _found(row, persona_id)


def _matching(filters: PersonaFilters) -> tuple[list[str], dict[str, Any]]:
    """The conditions of a filter, and their parameters."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if filters.job_id is not None:
        conditions.append("p.job_id = :job")
        parameters["job"] = filters.job_id
    for number, (dimension, labels) in enumerate(filters.demographics.items()):
        conditions.append(f"p.demographics @> ANY(CAST(:labels_{number} AS jsonb[]))")
        parameters[f"labels_{number}"] = [json.dumps({dimension: label}, ensure_ascii=False) for label in labels]
    if filters.min_quality is not None:
        conditions.append("p.quality_score >= :min_quality")
        parameters["min_quality"] = filters.min_quality
    if filters.duplicates is not None:
        conditions.append(f"p.duplicate_of IS {'NOT ' if filters.duplicates else ''}NULL")
    if filters.search:
        conditions.append("(p.name ILIKE :search OR p.headline ILIKE :search)")
        escaped = filters.search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        parameters["search"] = f"%{escaped}%"
    return conditions, parameters


def _place(connection: Connection, workspace_id: UUID, persona_id: UUID) -> tuple[UUID, int]:
    row = connection.execute(
        text("SELECT job_id, position FROM personas WHERE id = :id AND workspace_id = :workspace"),
        {"id": persona_id, "workspace": workspace_id},
    ).one_or_none()
    if row is None:
        raise PersonaNotFound(f"there is no persona {persona_id} to go on after")
    return row.job_id, row.position


def _found(row: Any, persona_id: UUID) -> PersonaView:
    if row is None:
        raise PersonaNotFound(f"there is no persona {persona_id}")
    return _view(row)


def _view(row: Any) -> PersonaView:
    return PersonaView(
        id=row.id,
        project_id=row.project_id,
        job_id=row.job_id,
        position=row.position,
        name=row.name,
        headline=row.headline,
        language=row.language,
        demographics=row.demographics,
        profile=Profile.model_validate(row.profile),
        traits=Traits.model_validate(row.traits),
        quality=Quality.model_validate(row.quality),
        duplicate_of=row.duplicate_of,
        model=row.model,
        prompt_hash=row.prompt_hash,
        simulated=row.simulated,
        created_at=row.created_at,
    )
