"""Reviews a finished panel: who is in it twice, how well it fits its audience, how good its personas are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text

from common.database.engine import autocommit
from common.ids import new_id
from common.jobs import accept
from common.jobs.errors import JobNotFound
from common.jobs.models import Effect, NewItem, NewJob
from common.personas import panels, service
from common.personas.errors import PanelNotFound, PersonaContradictsSeat
from common.personas.models import PanelReview, Profile, Quality, as_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.events.models import JobFinished
    from common.events.outbox import Relay
    from common.jobs.fan_out import Layout
    from common.jobs.models import Claim
    from common.llm.port import Calls, LanguageModel


KIND = "panel_review"
PURPOSE = "panel_review"
EMBED_AT_ONCE = 200
"""Personas embedded and stored at a time: what a broken-off review has done stays done."""


def begin_review(event: JobFinished, engine: Engine, relay: Relay) -> UUID | None:
    """Accepts the review of a panel that ended, once however often the event comes, and returns its job's id.

    Returns None when there is nothing to review: the job made no personas or none are left to make sense of,
    was cancelled or its project deleted, or it has been opened again since. What the review may spend is what the
    panel left of its budget. Raises `JobNotFound`.
    """
    with autocommit(engine) as connection:
        panel = _ended_panel(connection, event)
    if panel is None:
        return None
    key = f"{KIND}:{event.job_id}:{panel.version}"
    spec = {"version": panel.version}
    wanted = accept.request_hash(KIND, {"job_id": str(event.job_id), **spec})
    budget = panel.budget_micros
    job = NewJob(
        id=new_id(),
        project_id=panel.project_id,
        kind=KIND,
        flow="parallel",
        total=1,
        spec=spec,
        seed=panel.seed,
        simulated=panel.simulated,
        request_hash=wanted,
        subject_id=event.job_id,
        idempotency_key=key,
        budget_micros=None if budget is None else max(0, budget - panel.spent_micros),
        traceparent=event.traceparent,
    )
    accepted = accept.accept(engine, event.workspace_id, job)
    if accepted is None:
        repeated = accept.find_repeat(engine, event.workspace_id, key, wanted)
        return None if repeated is None else repeated.id
    relay.offer(accepted.pending)
    return job.id


def _ended_panel(connection: Connection, event: JobFinished) -> Any:
    row = connection.execute(
        text("""
            SELECT j.project_id, j.kind, j.state, j.version, j.done, j.seed, j.simulated, j.budget_micros,
                   j.spent_micros, p.deleted_at
            FROM jobs j JOIN projects p ON p.id = j.project_id WHERE j.id = :job AND j.workspace_id = :workspace
        """),
        {"job": event.job_id, "workspace": event.workspace_id},
    ).one_or_none()
    if row is None:
        raise JobNotFound(f"there is no job {event.job_id}")
    ended = row.state in ("completed", "partial") and row.done > 0
    return row if row.kind == service.KIND and ended and row.deleted_at is None else None


def expand(_connection: Connection, layout: Layout) -> list[NewItem]:
    """The one item of a review."""
    return [NewItem(position=position, round=0) for position in range(layout.start, layout.stop)]


_RECORD = """
    UPDATE panels SET review = CAST(:e_review AS jsonb), review_version = CAST(:e_version AS int), reviewed_at = now()
    FROM item
    WHERE panels.job_id = CAST(:e_panel AS uuid) AND panels.workspace_id = item.workspace_id
      AND panels.review_version <= CAST(:e_version AS int)
"""


def review(claim: Claim, calls: Calls, deadline: float, *, engine: Engine, llm: LanguageModel) -> Effect:
    """Reviews the panel of one item: embeds its personas, marks duplicates, and sums up.

    Embeddings and duplicates are written as it goes; to do so again changes nothing. Raises what
    `LanguageModel.embed` raises, and `PanelNotFound`.
    """
    from common.personas import duplicates  # numpy

    if claim.subject_id is None:
        raise PanelNotFound("the review does not say which panel it is of")
    members = _members(engine, claim.workspace_id, claim.subject_id)
    missing = [member for member in members if not member.embedded]
    for start in range(0, len(missing), EMBED_AT_ONCE):
        part = missing[start : start + EMBED_AT_ONCE]
        texts = [duplicates.persona_text(member.profile) for member in part]
        vectors = llm.embed(texts, purpose=PURPOSE, calls=calls, deadline=deadline)
        _store_embeddings(engine, claim.workspace_id, [member.id for member in part], vectors)
    similarities = duplicates.compare(_embeddings(engine, claim.workspace_id, [member.id for member in members]))
    originals = [None if place is None else members[place].id for place in similarities.duplicate_of]
    _mark_duplicates(engine, claim.workspace_id, [member.id for member in members], originals)
    with autocommit(engine) as connection:
        contradicting = _contradicting(connection, claim.workspace_id, claim.subject_id)
        fit = panels.fit_of(connection, claim.workspace_id, claim.subject_id)
    qualities = [member.quality for member in members]
    grounds = [ground.verified for quality in qualities for ground in quality.grounds]
    found = PanelReview(
        personas=len(members),
        duplicates=sum(original is not None for original in originals),
        duplicate_threshold=duplicates.THRESHOLD,
        nearest=similarities.nearest,
        mean_quality=_share(sum(quality.score for quality in qualities), len(qualities), digits=1),
        consistency_rate=_share(len(members), len(members) + contradicting),
        first_reply_consistency_rate=_share(
            sum(not quality.repaired for quality in qualities), len(members) + contradicting
        ),
        grounded_claims_rate=_share(sum(grounds), len(grounds)),
        fit=fit,
    )
    return Effect(
        _RECORD,
        {
            "e_review": json.dumps(as_json(found), ensure_ascii=False),
            "e_version": claim.spec["version"],
            "e_panel": claim.subject_id,
        },
    )


class _Member(NamedTuple):
    id: UUID
    profile: Profile
    quality: Quality
    embedded: bool


def _members(engine: Engine, workspace_id: UUID, job_id: UUID) -> list[_Member]:
    with autocommit(engine) as connection:
        rows = connection.execute(
            text("""
                SELECT id, profile, quality, embedding IS NOT NULL AS embedded FROM personas
                WHERE job_id = :job AND workspace_id = :workspace AND deleted_at IS NULL ORDER BY position
            """),
            {"job": job_id, "workspace": workspace_id},
        ).all()
    return [
        _Member(row.id, Profile.model_validate(row.profile), Quality.model_validate(row.quality), row.embedded)
        for row in rows
    ]


def _store_embeddings(
    engine: Engine, workspace_id: UUID, ids: Sequence[UUID], vectors: Sequence[Sequence[float]]
) -> None:
    records = [{"id": str(id_), "embedding": _vector(vector)} for id_, vector in zip(ids, vectors, strict=True)]
    with autocommit(engine) as connection:
        connection.execute(
            text("""
                UPDATE personas p SET embedding = CAST(r.embedding AS vector)
                FROM jsonb_to_recordset(CAST(:records AS jsonb)) AS r(id uuid, embedding text)
                WHERE p.id = r.id AND p.workspace_id = :workspace
            """),
            {"records": json.dumps(records), "workspace": workspace_id},
        )


def _embeddings(engine: Engine, workspace_id: UUID, ids: Sequence[UUID]) -> list[list[float]]:
    with autocommit(engine) as connection:
        rows = connection.execute(
            text("""
                SELECT id, CAST(embedding AS text) AS embedding FROM personas
                WHERE id = ANY(CAST(:ids AS uuid[])) AND workspace_id = :workspace
            """),
            {"ids": [str(id_) for id_ in ids], "workspace": workspace_id},
        )
        found = {row.id: json.loads(row.embedding) for row in rows}
    return [found[id_] for id_ in ids]


def _mark_duplicates(engine: Engine, workspace_id: UUID, ids: Sequence[UUID], originals: Sequence[UUID | None]) -> None:
    records = [
        {"id": str(id_), "original": str(original) if original else None}
        for id_, original in zip(ids, originals, strict=True)
    ]
    with autocommit(engine) as connection:
        connection.execute(
            text("""
                UPDATE personas p SET duplicate_of = r.original
                FROM jsonb_to_recordset(CAST(:records AS jsonb)) AS r(id uuid, original uuid)
                WHERE p.id = r.id AND p.workspace_id = :workspace AND p.duplicate_of IS DISTINCT FROM r.original
            """),
            {"records": json.dumps(records), "workspace": workspace_id},
        )


def _contradicting(connection: Connection, workspace_id: UUID, job_id: UUID) -> int:
    """How many seats of the panel failed because their persona contradicted them."""
    return int(
        connection.execute(
            text("""
                SELECT count(*) FROM job_items
                WHERE job_id = :job AND workspace_id = :workspace AND state = 'failed' AND reason_code = :code
            """),
            {"job": job_id, "workspace": workspace_id, "code": PersonaContradictsSeat.code},
        ).scalar_one()
    )


def _vector(values: Sequence[float]) -> str:
    return f"[{','.join(f'{value:.7g}' for value in values)}]"


def _share(part: float, whole: int, *, digits: int = 4) -> float | None:
    return round(part / whole, digits) if whole else None
