"""What a project is, as callers write and see it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _legible(value: str) -> str:
    cleaned = value.replace("\x00", "\ufffd").strip()
    if not cleaned:
        raise ValueError("must not be blank")
    return cleaned


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_legible)]
Description = Annotated[str, Field(max_length=2000), AfterValidator(lambda text: text.replace("\x00", "\ufffd"))]


class NewProject(BaseModel):
    """A project to create."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    description: Description = ""


class ProjectChange(BaseModel):
    """What to change of a project; what is left out or null stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    description: Description | None = None


class ProjectView(BaseModel):
    """A project as callers see it."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    description: str
    created_at: datetime
