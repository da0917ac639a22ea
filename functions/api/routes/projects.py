"""Projects: the bodies of research everything else belongs to."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint

from common.database.engine import autocommit
from common.projects import service, store
from common.projects.models import NewProject, ProjectChange, ProjectView
from functions.api.context import services, workspace
from functions.api.openapi import operation
from functions.api.pages import Page, PageQuery, read_page

blueprint = Blueprint("projects", __name__, url_prefix="/api/v1/projects")
ProjectPage = Page[ProjectView]


@blueprint.post("")
@operation("projects", example={"name": "Oat milk", "description": "Who would buy it?"}, HTTP_201=ProjectView)
def create_project(json: NewProject) -> tuple[ProjectView, int, dict[str, str]]:
    """Creates a project."""
    with services().engine.begin() as connection:
        project = store.create(connection, workspace(), json)
    return project, 201, {"Location": f"{blueprint.url_prefix}/{project.id}"}


@blueprint.get("")
@operation("projects", HTTP_200=ProjectPage)
def list_projects(query: PageQuery) -> Page[ProjectView]:
    """Lists projects, newest first."""
    with autocommit(services().engine) as connection:
        items, following = read_page(
            query, lambda limit, before: store.list_projects(connection, workspace(), limit=limit, before=before)
        )
    return ProjectPage(items=items, next_cursor=following)


@blueprint.get("/<uuid:project_id>")
@operation("projects", HTTP_200=ProjectView)
def get_project(project_id: UUID) -> ProjectView:
    """One project."""
    with autocommit(services().engine) as connection:
        return store.get(connection, workspace(), project_id)


@blueprint.patch("/<uuid:project_id>")
@operation("projects", HTTP_200=ProjectView)
def change_project(project_id: UUID, json: ProjectChange) -> ProjectView:
    """Changes a project's name or description; what is left out stays."""
    with services().engine.begin() as connection:
        return store.change(connection, workspace(), project_id, json)


@blueprint.delete("/<uuid:project_id>")
@operation("projects", HTTP_204=None)
def delete_project(project_id: UUID) -> tuple[str, int]:
    """Deletes a project and cancels its running jobs. It can be taken back."""
    service.delete_project(services().engine, services().relay, workspace(), project_id)
    return "", 204


@blueprint.post("/<uuid:project_id>:undelete")
@operation("projects", HTTP_200=ProjectView)
def undelete_project(project_id: UUID) -> ProjectView:
    """Takes a deletion back. Jobs that it cancelled stay so until they are resumed."""
    with services().engine.begin() as connection:
        return store.undelete(connection, workspace(), project_id)
