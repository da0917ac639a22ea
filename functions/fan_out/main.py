"""Lays out a job's items, and opens its next round when one is complete."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from common.bootstrap import services
from common.events.models import JobAccepted, RoundCompleted
from common.focus_groups import service as focus_groups
from common.jobs import fan_out as jobs
from common.personas import review
from common.personas import service as personas
from common.summaries import service as summaries

if TYPE_CHECKING:
    from flask import Request

READS: TypeAdapter[JobAccepted | RoundCompleted] = TypeAdapter(
    Annotated[JobAccepted | RoundCompleted, Field(discriminator="type")]
)
EXPANDERS: dict[str, jobs.Expander] = {
    "personas": personas.expand,
    "panel_review": review.expand,
    "focus_group": focus_groups.expand,
    "summary": summaries.expand,
}


def fan_out(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-jobs."""
    s = services()
    give_up = partial(jobs.give_up, engine=s.engine, relay=s.relay)
    return s.receiver.receive(request.get_data(), request.headers, READS, _handle, give_up=give_up)


def _handle(event: JobAccepted | RoundCompleted) -> None:
    engine, relay = services().engine, services().relay
    if isinstance(event, RoundCompleted):
        jobs.open_next_round(event, engine=engine, relay=relay)
    else:
        jobs.expand(event, engine=engine, relay=relay, expanders=EXPANDERS)
