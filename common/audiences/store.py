"""Keeps the audiences of a project. A deleted one keeps its row, so that deleting it can be undone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from common.audiences.models import AudienceSpec
from common.errors import NotFound
from common.ids import new_id
from common.projects import store as projects

if TYPE_CHECKING:
    from sqlalchemy import Connection


class AudienceNotFound(NotFound):
    """No such audience in this workspace, or it was deleted."""

    code = "audience_not_found"


class KeptAudience(BaseModel):
    """An audience of a project, in a line."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    project_id: UUID
    name: str
    dimensions: list[str]
    created_at: datetime


class AudienceView(KeptAudience):
    """An audience of a project as it was described."""

    spec: AudienceSpec


_LINE = """
    id, project_id, name, created_at,
    CASE WHEN jsonb_array_length(spec -> 'dimensions') > 0 THEN jsonb_path_query_array(spec, '$.dimensions[*].name')
         ELSE spec -> 'respondents' -> 'dimensions' END AS dimensions
"""


def add(connection: Connection, workspace_id: UUID, project_id: UUID, spec: AudienceSpec) -> AudienceView:
    """Keeps an audience that makes sense (`preparation.check`). Raises `ProjectNotFound`."""
    projects.get(connection, workspace_id, project_id)
    row = connection.execute(
        text(f"""
            INSERT INTO audiences (id, workspace_id, project_id, name, spec)
            VALUES (:id, :workspace, :project, :name, CAST(:spec AS jsonb)) RETURNING {_LINE}
        """),
        {
            "id": new_id(),
            "workspace": workspace_id,
            "project": project_id,
            "name": spec.name,
            "spec": spec.model_dump_json(),
        },
    ).one()
    return AudienceView(**row._asdict(), spec=spec)


def get(connection: Connection, workspace_id: UUID, audience_id: UUID) -> AudienceView:
    """One audience. Raises `AudienceNotFound`."""
    row = connection.execute(
        text(f"""
            SELECT {_LINE}, CAST(spec AS text) AS described FROM audiences
            WHERE id = :id AND workspace_id = :workspace AND deleted_at IS NULL
        """),
        {"id": audience_id, "workspace": workspace_id},
    ).one_or_none()
    return _found(row, audience_id)


def list_audiences(
    connection: Connection, workspace_id: UUID, *, project_id: UUID, limit: int, before: UUID | None
) -> list[KeptAudience]:
    """The audiences of a project, newest first; `before` is the last id of the page before."""
    rows = connection.execute(
        text(f"""
            SELECT {_LINE} FROM audiences
            WHERE workspace_id = :workspace AND project_id = :project AND deleted_at IS NULL
              AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
        """),
        {"workspace": workspace_id, "project": project_id, "before": before, "limit": limit},
    )
    return [KeptAudience(**row._asdict()) for row in rows]


def delete(connection: Connection, workspace_id: UUID, audience_id: UUID) -> None:
    """Marks an audience as deleted; panels made of it stay. Raises `AudienceNotFound`."""
    deleted = connection.execute(
        text("""
            UPDATE audiences SET deleted_at = now()
            WHERE id = :id AND workspace_id = :workspace AND deleted_at IS NULL
        """),
        {"id": audience_id, "workspace": workspace_id},
    )
    if deleted.rowcount == 0:
        raise AudienceNotFound(f"there is no audience {audience_id}")


def undelete(connection: Connection, workspace_id: UUID, audience_id: UUID) -> AudienceView:
    """Takes a deletion back; an audience that is not deleted stays as it is. Raises `AudienceNotFound`."""
    row = connection.execute(
        text(f"""
            UPDATE audiences SET deleted_at = NULL WHERE id = :id AND workspace_id = :workspace
            RETURNING {_LINE}, CAST(spec AS text) AS described
        """),
        {"id": audience_id, "workspace": workspace_id},
    ).one_or_none()
    return _found(row, audience_id)


def _found(row: Any, audience_id: UUID) -> AudienceView:
    if row is None:
        raise AudienceNotFound(f"there is no audience {audience_id}")
    line = row._asdict()
    return AudienceView(spec=AudienceSpec.model_validate_json(line.pop("described")), **line)
