"""The events of releases. They are of what is deployed, not of a workspace."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from common.ids import new_id

Name = Annotated[str, Field(min_length=1, max_length=100)]


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID = Field(default_factory=new_id)


class ReleaseDeployed(_Event):
    """A revision was deployed without traffic and is to be released: named itself, by its tag, or by both.

    Where it is tried is read from Cloud Run and never from the event: whoever may publish could otherwise have the
    API key sent to any address.
    """

    type: Literal["sight.release.deployed.v1"] = "sight.release.deployed.v1"
    service: Name
    region: Name
    revision: Name | None = None
    tag: Name | None = None

    @model_validator(mode="after")
    def _names_a_revision(self) -> Self:
        if self.revision is None and self.tag is None:
            raise ValueError("give a revision or a tag")
        return self


class ReleaseStepDue(_Event):
    """A release is to be looked at, and perhaps to go a step on."""

    type: Literal["sight.release.step.v1"] = "sight.release.step.v1"
    release_id: UUID
    step: int = Field(ge=0)


class ReleaseRecorded(_Event):
    """What a rollback did while the database was away, to be written down."""

    type: Literal["sight.release.recorded.v1"] = "sight.release.recorded.v1"
    record: dict[str, Any]


AnyReleaseEvent = Annotated[ReleaseDeployed | ReleaseStepDue | ReleaseRecorded, Field(discriminator="type")]

RELEASE: TypeAdapter[AnyReleaseEvent] = TypeAdapter(AnyReleaseEvent)
"""Reads any event of releases from its JSON."""
