"""Loads functions as Cloud Run does: by name, through functions-framework."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.bus.topology import SUBSCRIPTIONS
from local.processes import StartFailed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FUNCTIONS = Path(__file__).parents[1] / "functions"
API = "api"
MAINTENANCE = "maintenance"
NAMES = (API, MAINTENANCE, *dict.fromkeys(subscription.function for subscription in SUBSCRIPTIONS))
"""Every function that runs on one machine."""


def load(name: str, folder: Path = FUNCTIONS) -> WSGIApplication:
    """The app that serves the function `name` of `{folder}/{name}/main.py`.

    Raises `StartFailed` when there is none; what its module raises passes through.
    """
    from functions_framework import create_app
    from functions_framework.exceptions import FunctionsFrameworkException

    try:
        app: WSGIApplication = create_app(  # type: ignore[no-untyped-call]
            target=name, source=str(folder / name / "main.py"), signature_type="http"
        )
    except FunctionsFrameworkException as error:
        raise StartFailed(f"the function {name} cannot be loaded: {error}") from error
    return app
