"""The HTTP API: REST under /api/v1, its documentation at /docs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import functions_framework

from common.bootstrap import services
from functions.api.app import create_app

if TYPE_CHECKING:
    from flask import Flask, Request


def api(_request: Request) -> Flask:
    """Delegates the request to the app: Flask runs a WSGI app that a view returns, on the same request."""
    return _app()


@functions_framework.errorhandler(404)  # type: ignore[untyped-decorator]
def _missing(_error: Exception) -> Flask:
    """Has the app answer what the framework keeps from it: `/favicon.ico` and `/robots.txt`."""
    return _app()


@cache
def _app() -> Flask:
    return create_app(services())
