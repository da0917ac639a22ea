"""What a route needs of the request it serves: the services, whose data it is, and the trace it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import current_app, g

from common.settings import LOCAL_WORKSPACE

if TYPE_CHECKING:
    from common.bootstrap import Services

EXTENSION = "sight"


def services() -> Services:
    """What the app was made with."""
    found: Services = current_app.extensions[EXTENSION]
    return found


def workspace() -> UUID:
    """The workspace whose data the caller may see."""
    return LOCAL_WORKSPACE


def traceparent() -> str:
    """The trace the request belongs to (W3C Trace Context)."""
    found: str = g.traceparent
    return found


def simulated() -> bool:
    """Whether what is started now is played by the simulated model."""
    return services().settings.llm_provider == "simulated"
