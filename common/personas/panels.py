"""Keeps panels: the audience each is drawn from, and how well the personas there are match it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import text

from common.audiences.models import AudienceSpec
from common.errors import InvalidInput
from common.jobs.accept import Along
from common.personas.errors import PanelNotFound
from common.personas.models import PanelReport, PanelReview

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from common.audiences.models import FitReport


_WRITES = """, panel AS (
    INSERT INTO panels (job_id, workspace_id, audience)
    SELECT job.id, job.workspace_id, CAST(:a_audience AS jsonb) FROM job
)
"""


def of(audience: AudienceSpec) -> Along:
    """The panel of an audience, for the statement that accepts its job."""
    return Along(writes=_WRITES, parameters={"a_audience": audience.model_dump_json()})


def audience_json(connection: Connection, workspace_id: UUID, job_id: UUID) -> str:
    """The audience a panel is drawn from, as JSON. Raises `PanelNotFound`."""
    found = connection.execute(
        text("SELECT CAST(audience AS text) FROM panels WHERE job_id = :job AND workspace_id = :workspace"),
        {"job": job_id, "workspace": workspace_id},
    ).scalar_one_or_none()
    if found is None:
        raise PanelNotFound(f"there is no panel {job_id}")
    return str(found)


def kept_audience(connection: Connection, workspace_id: UUID, project_id: UUID, audience_id: UUID) -> AudienceSpec:
    """An audience of a project. Raises `InvalidInput` when there is none of this id."""
    found = connection.execute(
        text("""
            SELECT CAST(spec AS text) FROM audiences
            WHERE id = :id AND workspace_id = :workspace AND project_id = :project AND deleted_at IS NULL
        """),
        {"id": audience_id, "workspace": workspace_id, "project": project_id},
    ).scalar_one_or_none()
    if found is None:
        raise InvalidInput.of("audience_id", f"there is no audience {audience_id} in this project")
    return AudienceSpec.model_validate_json(found)


def report(connection: Connection, workspace_id: UUID, job_id: UUID) -> PanelReport:
    """What there is of a panel beside what was asked for. Raises `PanelNotFound`."""
    row = connection.execute(
        text("""
            SELECT j.project_id, j.total, j.seed, j.simulated, j.spec, p.review, CAST(p.audience AS text) AS audience
            FROM panels p JOIN jobs j ON j.id = p.job_id AND j.workspace_id = p.workspace_id
            WHERE p.job_id = :job AND p.workspace_id = :workspace
        """),
        {"job": job_id, "workspace": workspace_id},
    ).one_or_none()
    if row is None:
        raise PanelNotFound(f"there is no panel {job_id}")
    seated = _seated(connection, workspace_id, job_id)
    return PanelReport(
        job_id=job_id,
        project_id=row.project_id,
        audience=row.spec["audience"],
        language=row.spec["language"],
        size=row.total,
        seed=row.seed,
        simulated=row.simulated,
        personas=len(seated),
        fit=_fit(row.audience, seated),
        review=None if row.review is None else PanelReview.model_validate_json(json.dumps(row.review)),
    )


def fit_of(connection: Connection, workspace_id: UUID, job_id: UUID) -> FitReport:
    """How well the personas there are match the audience of their panel: seats that failed or were deleted are
    missing from it. Raises `PanelNotFound`."""
    audience = audience_json(connection, workspace_id, job_id)
    return _fit(audience, _seated(connection, workspace_id, job_id))


def _seated(connection: Connection, workspace_id: UUID, job_id: UUID) -> list[dict[str, str]]:
    rows = connection.execute(
        text("""
            SELECT demographics FROM personas
            WHERE job_id = :job AND workspace_id = :workspace AND deleted_at IS NULL ORDER BY position
        """),
        {"job": job_id, "workspace": workspace_id},
    )
    return [row.demographics for row in rows]


def _fit(audience: str, seated: list[dict[str, str]]) -> FitReport:
    from common.audiences.preparation import prepare  # numpy
    from common.audiences.statistics import fit_report

    return fit_report(prepare(AudienceSpec.model_validate_json(audience)), seated)


def from_catalogue(slug: str) -> AudienceSpec:
    """An audience of the catalogue. Raises `InvalidInput` when there is none of this slug."""
    from common.audiences.catalogue import load_audience

    return load_audience(slug)
