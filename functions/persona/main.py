"""Makes one persona."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from common.bootstrap import services
from common.events.models import PersonaRequested
from common.jobs.work import work
from common.personas.service import make

if TYPE_CHECKING:
    from flask import Request

READS = TypeAdapter(PersonaRequested)


def persona(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-personas."""
    return services().receiver.receive(request.get_data(), request.headers, READS, _handle)


def _handle(event: PersonaRequested) -> None:
    s = services()
    work(
        event,
        kind="personas",
        reserve_micros=s.reserve_micros("personas"),
        engine=s.engine,
        relay=s.relay,
        perform=partial(make, llm=s.llm, cache=s.cache),
    )
