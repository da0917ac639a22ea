"""Gives every function the routes of health, beside what it is there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from flask import Flask, Response

PATHS = ("/health", "/health/live", "/health/ready", "/startup")


def mount(app: Flask) -> None:
    """Adds the routes to the app that serves a function. What answers them is not imported before the first
    request: functions that must start fast pay nothing for it."""
    for path in PATHS:
        app.add_url_rule(path, endpoint=path, view_func=_answer, methods=["GET"])


def _answer() -> Response:
    from functions.health.main import health

    return health(request)
