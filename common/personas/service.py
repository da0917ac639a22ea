"""Accepts panels, lays out their seats, and makes the persona of a seat."""

from __future__ import annotations

import json
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from common.audiences.models import AudienceSpec
from common.database.engine import autocommit
from common.errors import InvalidInput
from common.ids import new_id
from common.jobs import accept
from common.jobs.models import Effect, NewItem, NewJob
from common.personas import panels
from common.personas.labels import aspect_of
from common.personas.making import Seat, make_persona
from common.personas.models import as_json
from common.projects import store as projects
from common.projects.errors import ProjectNotFound

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.cache.port import Cache
    from common.events.outbox import Relay
    from common.jobs.fan_out import Layout
    from common.jobs.models import Claim, JobView
    from common.llm.port import Calls, LanguageModel
    from common.personas.models import PanelRequest


KIND = "personas"
SEED_BITS = 31


def request_panel(
    engine: Engine,
    relay: Relay,
    workspace_id: UUID,
    project_id: UUID,
    request: PanelRequest,
    *,
    idempotency_key: str | None,
    simulated: bool,
    traceparent: str = "",
) -> JobView:
    """Accepts a panel, once for each idempotency key, has its job started and returns the job.

    Raises `InvalidInput` naming the fields, `ProjectNotFound` or `IdempotencyKeyReused`; nothing is then
    written. When the bus is down the job is accepted all the same: the sweeper starts it.
    """
    wanted = accept.request_hash(KIND, {"project_id": str(project_id), **request.model_dump(mode="json")})
    repeated = accept.find_repeat(engine, workspace_id, idempotency_key, wanted)
    if repeated is not None:
        return repeated
    with autocommit(engine) as connection:
        projects.get(connection, workspace_id, project_id)
        audience = _resolve(connection, workspace_id, project_id, request)
    job = NewJob(
        id=new_id(),
        project_id=project_id,
        kind=KIND,
        flow="parallel",
        total=request.size,
        spec={
            "audience": audience.name,
            "country": audience.country,
            "language": request.language,
            "places": _places(audience),
            "simulated": simulated,
        },
        seed=secrets.randbits(SEED_BITS) if request.seed is None else request.seed,
        simulated=simulated,
        request_hash=wanted,
        idempotency_key=idempotency_key,
        budget_micros=None if request.budget_usd is None else max(1, round(request.budget_usd * 1_000_000)),
        deadline_seconds=request.deadline_seconds,
        traceparent=traceparent,
    )
    accepted = accept.accept(engine, workspace_id, job, panels.of(audience))
    if accepted is None:
        repeated = accept.find_repeat(engine, workspace_id, idempotency_key, wanted)
        if repeated is None:
            raise ProjectNotFound(f"there is no project {project_id}")
        return repeated
    relay.offer(accepted.pending)
    return accepted.job


def _resolve(connection: Connection, workspace_id: UUID, project_id: UUID, request: PanelRequest) -> AudienceSpec:
    """The audience a request names, checked. Raises `InvalidInput` naming the field."""
    from common.audiences.preparation import check  # numpy and scipy, which making personas does without

    given = [name for name in ("audience", "audience_slug", "audience_id") if getattr(request, name) is not None]
    if len(given) != 1:
        raise InvalidInput.of(given[1] if given else "audience", "give one of audience, audience_slug and audience_id")
    if request.audience_slug is not None:
        return panels.from_catalogue(request.audience_slug)
    if request.audience_id is not None:
        return panels.kept_audience(connection, workspace_id, project_id, request.audience_id)
    assert request.audience is not None
    check(request.audience)
    return request.audience


def _places(audience: AudienceSpec) -> list[str]:
    """The labels of the dimension that says where people live; those of kinds of places before regions."""
    dimensions = {aspect_of(dimension.name): dimension for dimension in reversed(audience.dimensions)}
    for aspect in ("settlement", "location", "region"):
        if aspect in dimensions:
            return [entry.label for entry in dimensions[aspect].shares]
    return []


def expand(connection: Connection, layout: Layout) -> list[NewItem]:
    """The seats of a range of positions: the panel is drawn again from its audience and the job's seed."""
    audience = panels.audience_json(connection, layout.workspace_id, layout.job_id)
    seats = _drawn(audience, layout.total, layout.seed)
    return [
        NewItem(position=position, round=0, payload={"demographics": seats[position]})
        for position in range(layout.start, layout.stop)
    ]


@lru_cache(maxsize=4)
def _drawn(audience: str, size: int, seed: int) -> list[dict[str, str]]:
    """The demographics of every seat, kept so that the batches of a panel do not each draw it anew."""
    from common.audiences.panel import draw_panel

    panel = draw_panel(AudienceSpec.model_validate_json(audience), size, seed)
    return [seat.demographics for seat in sorted(panel.seats, key=lambda seat: seat.position)]


_INSERT = """
    INSERT INTO personas (id, workspace_id, project_id, job_id, position, name, headline, language, demographics,
                          profile, traits, quality, quality_score, model, prompt_hash, simulated)
    SELECT item.id, item.workspace_id, CAST(:e_project AS uuid), item.job_id, item.position, CAST(:e_name AS text),
           CAST(:e_headline AS text), CAST(:e_language AS text), CAST(:e_demographics AS jsonb),
           CAST(:e_profile AS jsonb), CAST(:e_traits AS jsonb), CAST(:e_quality AS jsonb),
           CAST(:e_score AS double precision), CAST(:e_model AS text), CAST(:e_hash AS text),
           CAST(:e_simulated AS boolean)
    FROM item ON CONFLICT DO NOTHING
"""


def make(claim: Claim, calls: Calls, deadline: float, *, llm: LanguageModel, cache: Cache) -> Effect:
    """Makes the persona of one item of a panel. Raises as `make_persona` does."""
    spec: dict[str, Any] = claim.spec
    seat = Seat(
        position=claim.position,
        demographics=claim.payload["demographics"],
        seed=claim.seed,
        language=spec["language"],
        country=spec["country"],
        places=tuple(spec["places"]),
        simulated=spec["simulated"],
    )
    made = make_persona(seat, llm=llm, cache=cache, calls=calls, deadline=deadline)
    return Effect(
        _INSERT,
        {
            "e_project": claim.project_id,
            "e_name": made.profile.name,
            "e_headline": made.profile.headline,
            "e_language": seat.language,
            "e_demographics": json.dumps(seat.demographics, ensure_ascii=False),
            "e_profile": json.dumps(as_json(made.profile), ensure_ascii=False),
            "e_traits": json.dumps(as_json(made.traits)),
            "e_quality": json.dumps(as_json(made.quality), ensure_ascii=False),
            "e_score": made.quality.score,
            "e_model": made.reply.model,
            "e_hash": made.reply.prompt_hash,
            "e_simulated": made.reply.simulated,
        },
    )
