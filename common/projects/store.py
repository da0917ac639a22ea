"""Keeps projects. A deleted project keeps its rows, so that deleting it can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.ids import new_id
from common.projects.errors import ProjectNotFound
from common.projects.models import ProjectView

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.projects.models import NewProject, ProjectChange


def create(connection: Connection, workspace_id: UUID, project: NewProject) -> ProjectView:
    """Writes a new project."""
    row = connection.execute(
        text("""
            INSERT INTO projects (id, workspace_id, name, description)
            VALUES (:id, :workspace, :name, :description) RETURNING *
        """),
        {
            "id": new_id(),
            "workspace": workspace_id,
            "name": project.name,
            "description": project.description,
        },
    ).one()
    return _view(row)


def get(connection: Connection, workspace_id: UUID, project_id: UUID) -> ProjectView:
    """One project. Raises `ProjectNotFound`."""
    row = connection.execute(
        text("SELECT * FROM projects WHERE id = :id AND workspace_id = :workspace AND deleted_at IS NULL"),
        {"id": project_id, "workspace": workspace_id},
    ).one_or_none()
    return _found(row, project_id)


def hold(connection: Connection, workspace_id: UUID, project_id: UUID) -> None:
    """Keeps a project from being deleted until the caller's transaction ends. Raises `ProjectNotFound`."""
    row = connection.execute(
        text("SELECT * FROM projects WHERE id = :id AND workspace_id = :workspace AND deleted_at IS NULL FOR SHARE"),
        {"id": project_id, "workspace": workspace_id},
    ).one_or_none()
    _found(row, project_id)


def list_projects(connection: Connection, workspace_id: UUID, *, limit: int, before: UUID | None) -> list[ProjectView]:
    """Projects, newest first; `before` is the last id of the page before."""
    rows = connection.execute(
        text("""
            SELECT * FROM projects WHERE workspace_id = :workspace AND deleted_at IS NULL
              AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
        """),
        {"workspace": workspace_id, "before": before, "limit": limit},
    )
    return [_view(row) for row in rows]


def change(connection: Connection, workspace_id: UUID, project_id: UUID, wanted: ProjectChange) -> ProjectView:
    """Changes what is given and returns the project. Raises `ProjectNotFound`."""
    row = connection.execute(
        text("""
            UPDATE projects SET name = coalesce(:name, name), description = coalesce(:description, description)
            WHERE id = :id AND workspace_id = :workspace AND deleted_at IS NULL RETURNING *
        """),
        {
            "id": project_id,
            "workspace": workspace_id,
            "name": wanted.name,
            "description": wanted.description,
        },
    ).one_or_none()
    return _found(row, project_id)


def delete(connection: Connection, workspace_id: UUID, project_id: UUID) -> None:
    """Marks a project as deleted. Raises `ProjectNotFound`."""
    row = connection.execute(
        text("""
            UPDATE projects SET deleted_at = now()
            WHERE id = :id AND workspace_id = :workspace AND deleted_at IS NULL RETURNING *
        """),
        {"id": project_id, "workspace": workspace_id},
    ).one_or_none()
    _found(row, project_id)


def undelete(connection: Connection, workspace_id: UUID, project_id: UUID) -> ProjectView:
    """Takes a deletion back; a project that is not deleted stays as it is. Raises `ProjectNotFound`."""
    row = connection.execute(
        text("UPDATE projects SET deleted_at = NULL WHERE id = :id AND workspace_id = :workspace RETURNING *"),
        {"id": project_id, "workspace": workspace_id},
    ).one_or_none()
    return _found(row, project_id)


def _found(row: Any, project_id: UUID) -> ProjectView:
    if row is None:
        raise ProjectNotFound(f"there is no project {project_id}")
    return _view(row)


def _view(row: Any) -> ProjectView:
    return ProjectView(id=row.id, name=row.name, description=row.description, created_at=row.created_at)
