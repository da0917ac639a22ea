"""Audiences: those that come with Sight, those kept in a project, and how well a panel of one would match it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from common.audiences import store
from common.audiences.catalogue import CatalogueEntry, list_audiences, load_audience
from common.audiences.models import AudienceSpec, FitReport
from common.audiences.store import AudienceNotFound, AudienceView, KeptAudience
from common.database.engine import autocommit
from common.errors import FieldError, InvalidInput
from common.personas.models import MAX_PERSONAS, MAX_SEED, MIN_PERSONAS
from common.projects import store as projects
from common.text import storable
from functions.api.context import services, workspace
from functions.api.openapi import operation
from functions.api.pages import Page, PageQuery, read_page

blueprint = Blueprint("audiences", __name__, url_prefix="/api/v1")
AudiencePage = Page[KeptAudience]
EXAMPLE = {
    "audience": {
        "name": "Coffee drinkers",
        "dimensions": {"age": {"18-39": 0.4, "40+": 0.6}, "gender": {"female": 0.52, "male": 0.48}},
    },
    "size": 20,
}
Described = Annotated[AudienceSpec, BeforeValidator(storable)]
Size = Annotated[int, Field(ge=MIN_PERSONAS, le=MAX_PERSONAS, strict=True)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Catalogue(BaseModel):
    """The audiences that come with Sight."""

    model_config = ConfigDict(frozen=True)

    items: list[CatalogueEntry]


class CatalogueAudience(BaseModel):
    """An audience that comes with Sight, with the sources of its figures."""

    model_config = ConfigDict(frozen=True)

    slug: str
    spec: AudienceSpec


class NewAudience(BaseModel):
    """An audience to keep. With `size` the answer shows what a panel of that size would be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Described
    size: Size | None = None
    seed: Seed = 0


class AudienceAdded(AudienceView):
    """An audience that is now kept, and what a panel of it would be."""

    preview: FitReport | None


class PreviewRequest(BaseModel):
    """A panel to look at before it is made: of an audience given here, or of one of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Described | None = None
    audience_slug: str | None = Field(None, min_length=1, max_length=100)
    size: Size
    seed: Seed = 0


@blueprint.get("/catalogue/audiences")
@operation("audiences", HTTP_200=Catalogue)
def list_catalogue() -> Catalogue:
    """Lists the audiences that come with Sight."""
    return Catalogue(items=list(list_audiences()))


@blueprint.get("/catalogue/audiences/<string:slug>")
@operation("audiences", HTTP_200=CatalogueAudience)
def get_catalogue_audience(slug: str) -> CatalogueAudience:
    """One audience that comes with Sight."""
    if slug not in {entry.slug for entry in list_audiences()}:
        raise AudienceNotFound("there is no audience of this slug", errors=(FieldError("slug", "is not in the list"),))
    return CatalogueAudience(slug=slug, spec=load_audience(slug))


@blueprint.post("/audiences:preview")
@operation("audiences", example=EXAMPLE, HTTP_200=FitReport)
def preview_audience(json: PreviewRequest) -> FitReport:
    """Draws a panel without making its personas, and tells how well its seats match the audience."""
    if (json.audience is None) == (json.audience_slug is None):
        raise InvalidInput.of("audience", "give one of audience and audience_slug")
    return _preview(json.audience or load_audience(json.audience_slug or ""), json.size, json.seed)


@blueprint.post("/projects/<uuid:project_id>/audiences")
@operation("audiences", example=EXAMPLE, HTTP_201=AudienceAdded)
def add_audience(project_id: UUID, json: NewAudience) -> tuple[AudienceAdded, int, dict[str, str]]:
    """Keeps an audience in a project, after checking that it makes sense."""
    from common.audiences.preparation import check  # numpy and scipy, which most requests do without

    check(json.audience)
    preview = None if json.size is None else _preview(json.audience, json.size, json.seed)
    with services().engine.begin() as connection:
        added = store.add(connection, workspace(), project_id, json.audience)
    shown = AudienceAdded(**dict(added), preview=preview)
    return shown, 201, {"Location": f"{blueprint.url_prefix}/audiences/{added.id}"}


@blueprint.get("/projects/<uuid:project_id>/audiences")
@operation("audiences", HTTP_200=AudiencePage)
def list_kept_audiences(project_id: UUID, query: PageQuery) -> Page[KeptAudience]:
    """Lists a project's audiences, newest first."""
    with autocommit(services().engine) as connection:
        projects.get(connection, workspace(), project_id)
        items, following = read_page(
            query,
            lambda limit, before: store.list_audiences(
                connection, workspace(), project_id=project_id, limit=limit, before=before
            ),
        )
    return AudiencePage(items=items, next_cursor=following)


@blueprint.get("/audiences/<uuid:audience_id>")
@operation("audiences", HTTP_200=AudienceView)
def get_audience(audience_id: UUID) -> AudienceView:
    """One audience as it was described."""
    with autocommit(services().engine) as connection:
        return store.get(connection, workspace(), audience_id)


@blueprint.delete("/audiences/<uuid:audience_id>")
@operation("audiences", HTTP_204=None)
def delete_audience(audience_id: UUID) -> tuple[str, int]:
    """Deletes an audience; panels made of it stay. It can be taken back."""
    with services().engine.begin() as connection:
        store.delete(connection, workspace(), audience_id)
    return "", 204


@blueprint.post("/audiences/<uuid:audience_id>:undelete")
@operation("audiences", HTTP_200=AudienceView)
def undelete_audience(audience_id: UUID) -> AudienceView:
    """Takes a deletion back."""
    with services().engine.begin() as connection:
        return store.undelete(connection, workspace(), audience_id)


def _preview(audience: AudienceSpec, size: int, seed: int) -> FitReport:
    from common.audiences.panel import draw_panel

    return draw_panel(audience, size, seed).fit
