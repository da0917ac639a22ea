"""Loads a function by its name, in the app in which functions-framework serves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from functions.health.mount import mount

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

FUNCTIONS = Path(__file__).parent
API = "api"
"""The function that has the routes of health among its own, since they are part of its contract."""


class FunctionMissing(Exception):
    """There is no function of this name."""


def load(name: str, folder: Path = FUNCTIONS) -> WSGIApplication:
    """The app that serves the function `name` of `{folder}/{name}/main.py`, and tells how it is doing.

    Raises `FunctionMissing` when there is none; what its module raises passes through.
    """
    from functions_framework import create_app
    from functions_framework.exceptions import FunctionsFrameworkException

    try:
        app = create_app(  # type: ignore[no-untyped-call]
            target=name, source=str(folder / name / "main.py"), signature_type="http"
        )
    except FunctionsFrameworkException as error:
        raise FunctionMissing(f"the function {name} cannot be loaded: {error}") from error
    if name != API:
        mount(app)
    return app  # type: ignore[no-any-return]
