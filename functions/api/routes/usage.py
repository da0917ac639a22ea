"""Usage: calls to language models, their tokens and what they cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from flask import Blueprint
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from common.database.engine import autocommit
from common.usage import store
from common.usage.models import UsageView
from functions.api.context import services, workspace
from functions.api.openapi import operation

blueprint = Blueprint("usage", __name__, url_prefix="/api/v1/usage")


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class UsageQuery(BaseModel):
    """Whose usage, and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    project_id: UUID | None = Field(None, description="Only of this project.")
    job_id: UUID | None = Field(None, description="Only of this job.")
    since: Time | None = Field(None, description="From this time on (ISO 8601 with its offset from UTC).")
    until: Time | None = Field(None, description="Before this time.")


@blueprint.get("")
@operation("usage", HTTP_200=UsageView)
def get_usage(query: UsageQuery) -> UsageView:
    """What was used, in total, by purpose and model, and by day. What was never used sums to zero."""
    with autocommit(services().engine) as connection:
        return store.usage(
            connection,
            workspace(),
            project_id=query.project_id,
            job_id=query.job_id,
            since=query.since,
            until=query.until,
        )
