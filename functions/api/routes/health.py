"""Whether the API can do its work."""

from __future__ import annotations

from typing import Literal

import structlog
from flask import Blueprint, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from common.database.engine import autocommit
from functions.api import problems
from functions.api.context import services
from functions.api.openapi import operation

blueprint = Blueprint("health", __name__)
log = structlog.get_logger()

CACHE_KEY = "health"
CACHE_SECONDS = 60.0

Check = Literal["ok", "down"]


class Health(BaseModel):
    """`degraded` is slower or poorer, and works: the cache may be lost. Without the database nothing does."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "degraded"]
    revision: str
    database: Check
    cache: Check


@blueprint.get("/health")
@operation("health", public=True, HTTP_200=Health)
def health() -> Health | Response:
    """Tells whether the database and the cache answer.

    Answers 503 when the database does not. Needs no key.
    """
    database, cache = _database(), _cache()
    if database == "down":
        found = problems.problem(503, "unhealthy", "Temporarily unavailable", "the database does not answer")
        return problems.answer(found, {"Retry-After": "2"}, database=database, cache=cache)
    status: Literal["ok", "degraded"] = "ok" if cache == "ok" else "degraded"
    return Health(status=status, revision=services().settings.revision, database=database, cache=cache)


def _database() -> Check:
    try:
        with autocommit(services().engine) as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        log.warning("database_down", error=type(error).__name__)
        return "down"
    return "ok"


def _cache() -> Check:
    cache = services().cache
    cache.set(CACHE_KEY, b"ok", ttl=CACHE_SECONDS)
    return "ok" if cache.get(CACHE_KEY) == b"ok" else "down"
