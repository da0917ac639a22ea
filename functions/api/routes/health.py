"""Whether the API, and what it depends on, can do their work."""

from __future__ import annotations

from flask import Blueprint

from common.health import service
from common.health.models import Health, Liveness, Readiness, Startup
from functions.api.context import services
from functions.api.openapi import operation

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@operation("health", public=True, HTTP_200=Health, HTTP_503=Health)
def health() -> tuple[Health, int]:
    """Tells which dependencies answer.

    Redis or Neo4j down is `degraded` and 200; the database down, or two of them, is `unhealthy` and 503. Each has
    two seconds; one that hangs is known to hang for those who ask next. Needs no key.
    """
    found = services().vitals.health()
    return found, 200 if found.ok else 503


@blueprint.get("/health/live")
@operation("health", public=True, HTTP_200=Liveness)
def liveness() -> Liveness:
    """Answers as long as the process runs, whatever its dependencies do.

    Needs no key.
    """
    return Liveness()


@blueprint.get("/health/ready")
@operation("health", public=True, HTTP_200=Readiness, HTTP_503=Readiness)
def readiness() -> tuple[Readiness, int]:
    """Tells whether this instance can take work: it is warm, and was not told to end.

    Needs no key.
    """
    found = service.readiness(services().warm_up)
    return found, 200 if found.ok else 503


@blueprint.get("/startup")
@operation("health", public=True, HTTP_200=Startup, HTTP_503=Startup)
def startup() -> tuple[Startup, int]:
    """Tells what connecting takes, and whether the database has the migrations this revision needs.

    Needs no key.
    """
    found = services().vitals.startup()
    return found, 200 if found.ok else 503
