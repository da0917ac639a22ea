"""The API's own documentation: the OpenAPI document, and pages to read and try it, from our own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, request, send_from_directory
from pydantic_core import to_json

from functions.api.openapi import VERSION, document

blueprint = Blueprint("documentation", __name__)

STATIC = Path(__file__).parents[1] / "static"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAX_AGE_SECONDS = 3600


@blueprint.get("/")
def index() -> dict[str, Any]:
    """Where everything is."""
    return {
        "name": "Sight",
        "api": "/api/v1",
        "version": VERSION,
        "documentation": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
    }


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI 3.1 document, made once for each process."""
    body = current_app.extensions.get("openapi")
    if body is None:
        body = current_app.extensions["openapi"] = to_json(document(), indent=2)
    response = Response(body, content_type="application/json")
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/docs")
def docs() -> Response:
    """The page of Swagger UI."""
    response = send_from_directory(STATIC, "index.html", max_age=0)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """The icon browsers ask for, whatever page they show."""
    return send_from_directory(STATIC, "favicon.ico", max_age=MAX_AGE_SECONDS)


@blueprint.get("/docs/<string:name>")
def docs_file(name: str) -> Response:
    """A file of that page."""
    return send_from_directory(STATIC, name, max_age=MAX_AGE_SECONDS)
