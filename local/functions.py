"""Loads functions as Cloud Run does: by name, through functions-framework."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from common.bus.topology import SUBSCRIPTIONS
from functions import loading
from functions.loading import FUNCTIONS
from local.processes import StartFailed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

API = loading.API
MAINTENANCE = "maintenance"
ROLLBACK = "rollback"
NAMES = (API, MAINTENANCE, *dict.fromkeys(subscription.function for subscription in SUBSCRIPTIONS))
"""Every function that runs on one machine."""


def load(name: str, folder: Path = FUNCTIONS) -> WSGIApplication:
    """The app that serves the function `name` of `{folder}/{name}/main.py`.

    Raises `StartFailed` when there is none; what its module raises passes through.
    """
    try:
        return loading.load(name, folder)
    except loading.FunctionMissing as error:
        raise StartFailed(str(error)) from error
