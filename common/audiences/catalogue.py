"""The audiences that come with Sight: YAML files with their sources, named by slug."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from common.audiences.models import AudienceSpec
from common.audiences.parsing import parse_audience
from common.errors import InvalidInput

FOLDER = Path(__file__).parents[2] / "audiences"


class CatalogueEntry(BaseModel):
    """An audience of the catalogue, in a line."""

    model_config = ConfigDict(frozen=True)

    slug: str
    name: str
    description: str | None
    country: str | None
    language: str | None
    dimensions: list[str]


@cache
def list_audiences() -> tuple[CatalogueEntry, ...]:
    """Every audience of the catalogue, by slug."""
    return tuple(
        CatalogueEntry(
            slug=slug,
            name=spec.name,
            description=spec.description,
            country=spec.country,
            language=spec.language,
            dimensions=[dimension.name for dimension in spec.dimensions],
        )
        for slug in sorted(_files())
        for spec in (load_audience(slug),)
    )


@cache
def load_audience(slug: str) -> AudienceSpec:
    """The audience of a slug. Raises `InvalidInput` when there is none."""
    import yaml

    path = _files().get(slug)
    if path is None:
        raise InvalidInput.of(
            "audience_slug", f"there is no audience '{slug}'; there are {', '.join(sorted(_files()))}"
        )
    return parse_audience(yaml.safe_load(path.read_text(encoding="utf-8")))


@cache
def _files() -> dict[str, Path]:
    return {path.stem: path for path in FOLDER.rglob("*.yaml")}
