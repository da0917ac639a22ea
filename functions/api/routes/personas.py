"""Personas: having a panel of them made, and reading, deleting and bringing back single ones."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BeforeValidator, Field

from common.database.engine import autocommit
from common.jobs.models import JobView
from common.personas import panels, store
from common.personas.models import PanelReport, PanelRequest, PersonaFilters, PersonaPage, PersonaView
from common.personas.service import request_panel
from common.projects import store as projects
from common.text import storable
from functions.api.context import services, simulated, traceparent, workspace
from functions.api.openapi import operation
from functions.api.pages import IdempotencyHeaders, PageQuery, segments_of
from functions.api.problems import Problem
from functions.api.routes.jobs import accepted

blueprint = Blueprint("personas", __name__, url_prefix="/api/v1")


class PersonasQuery(PageQuery):
    """Which personas; what is left out does not filter."""

    job_id: UUID | None = Field(None, description="Only of the panel that this job made.")
    segment: list[Annotated[str, Field(max_length=400)]] = Field(
        [],
        max_length=50,
        description="Only with this label, as `dimension:label`. Given again, any label of the same dimension will do,"
        " and every dimension must match.",
    )
    min_quality: float | None = Field(None, ge=0, le=100, description="The least quality score.")
    duplicates: bool | None = Field(None, description="Only duplicates (true), or none of them (false).")
    search: Annotated[str | None, BeforeValidator(storable)] = Field(
        None, max_length=200, description="Part of a name or headline."
    )


@blueprint.post("/projects/<uuid:project_id>/personas:generate")
@operation("personas", example={"audience_slug": "poland-adults", "size": 20}, HTTP_202=JobView, HTTP_409=Problem)
def generate_personas(
    project_id: UUID, json: PanelRequest, headers: IdempotencyHeaders
) -> tuple[JobView, int, dict[str, str]]:
    """Has a panel of personas made that matches an audience."""
    job = request_panel(
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


@blueprint.get("/projects/<uuid:project_id>/personas")
@operation("personas", HTTP_200=PersonaPage)
def list_personas(project_id: UUID, query: PersonasQuery) -> PersonaPage:
    """Lists a project's personas, those of the newest panel first, in the order of their seats."""
    filters = PersonaFilters(
        job_id=query.job_id,
        demographics=segments_of("segment", query.segment),
        min_quality=query.min_quality,
        duplicates=query.duplicates,
        search=query.search,
    )
    with autocommit(services().engine) as connection:
        projects.get(connection, workspace(), project_id)
        return store.list_personas(connection, workspace(), project_id, filters, limit=query.limit, after=query.cursor)


@blueprint.get("/personas/<uuid:persona_id>")
@operation("personas", HTTP_200=PersonaView)
def get_persona(persona_id: UUID) -> PersonaView:
    """One persona."""
    with autocommit(services().engine) as connection:
        return store.get(connection, workspace(), persona_id)


@blueprint.delete("/personas/<uuid:persona_id>")
@operation("personas", HTTP_204=None)
def delete_persona(persona_id: UUID) -> tuple[str, int]:
    """Deletes a persona: it is listed no more, and what it said stays. It can be taken back."""
    with services().engine.begin() as connection:
        store.delete(connection, workspace(), persona_id)
    return "", 204


@blueprint.post("/personas/<uuid:persona_id>:undelete")
@operation("personas", HTTP_200=PersonaView)
def undelete_persona(persona_id: UUID) -> PersonaView:
    """Takes a deletion back."""
    with services().engine.begin() as connection:
        return store.undelete(connection, workspace(), persona_id)


@blueprint.get("/jobs/<uuid:job_id>/panel")
@operation("personas", HTTP_200=PanelReport)
def get_panel(job_id: UUID) -> PanelReport:
    """The panel a job made: what was asked for beside what there is, how well it fits, and its review."""
    with autocommit(services().engine) as connection:
        return panels.report(connection, workspace(), job_id)
