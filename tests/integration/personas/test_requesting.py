"""Requests for panels: what is accepted, what is refused, and that nothing is written then."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from common.errors import InvalidInput
from common.ids import new_id
from common.jobs.errors import IdempotencyKeyReused
from common.personas import service
from common.personas.models import PanelRequest
from common.projects.errors import ProjectNotFound
from common.settings import LOCAL_WORKSPACE
from tests.integration.personas.conftest import AUDIENCE, OTHER_WORKSPACE, Panels


def nothing_written(panels: Panels) -> bool:
    """Whether there is no trace of a request."""
    return not panels.sql("SELECT 1 FROM jobs UNION ALL SELECT 1 FROM panels UNION ALL SELECT 1 FROM outbox")


def test_accepts_a_job_of_as_many_items_as_personas(panels: Panels) -> None:
    """The job has one item per seat, keeps seed and budget, and is started."""
    job = panels.job(panels.request(size=5, seed=9, budget_usd=0.25))
    assert (job.kind, job.items.total, job.seed, job.spend.budget_micros) == ("personas", 5, 9, 250_000)
    assert job.simulated
    panels.fan_out()
    assert len(panels.asked()) == 5


def test_draws_a_seed_when_none_is_given(panels: Panels) -> None:
    """Two panels without a seed get seeds of their own, which the jobs tell."""
    assert panels.job(panels.request(seed=None)).seed != panels.job(panels.request(seed=None)).seed


def test_a_repeated_key_is_the_same_job(panels: Panels) -> None:
    """The same request under the same key is accepted once; another request under it is refused."""
    first = panels.request("key")
    assert panels.request("key") == first
    with pytest.raises(IdempotencyKeyReused):
        panels.request("key", size=9)
    assert len(panels.sql("SELECT 1 FROM panels")) == 1


def test_keys_of_requests_at_once_make_one_job(panels: Panels) -> None:
    """Of requests that come at the same time under one key, one is accepted, and all get its job."""
    accepted: list[UUID] = []
    panels.at_once(lambda _: accepted.append(panels.request("key")), list(range(4)))
    assert len(set(accepted)) == 1
    assert len(panels.sql("SELECT 1 FROM panels")) == 1


def test_a_request_survives_a_bus_that_is_down(panels: Panels) -> None:
    """The job is accepted and its event waits in the outbox."""
    panels.bus.broken = True
    assert panels.job(panels.request()).state == "running"
    assert len(panels.sql("SELECT 1 FROM outbox")) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"size": 1}, "size"), ({"size": 0}, "size"), ({"size": 1001}, "size"), ({"size": 8.0}, "size"),
        ({"seed": -1}, "seed"), ({"language": "Polish!"}, "language"), ({"budget_usd": 0}, "budget_usd"),
        ({"budget_usd": float("inf")}, "budget_usd"), ({"deadline_seconds": 59}, "deadline_seconds"),
        ({"deadline_seconds": 86_401}, "deadline_seconds"), ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_refuses_what_is_out_of_bounds(changes: dict[str, Any], field: str) -> None:
    """Numbers beyond their limits, and fields nobody knows, are refused by name."""
    with pytest.raises(ValidationError) as caught:
        PanelRequest.model_validate({"size": 8, "audience": AUDIENCE} | changes)
    assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_takes_exactly_one_audience(panels: Panels) -> None:
    """Neither none nor two audiences will do."""
    for audience in ({}, {"audience": AUDIENCE, "audience_slug": "poland-adults"}):
        request = PanelRequest.model_validate({"size": 8} | audience)
        with pytest.raises(InvalidInput) as caught:
            service.request_panel(
                panels.engine,
                panels.relay,
                LOCAL_WORKSPACE,
                panels.project_id,
                request,
                idempotency_key=None,
                simulated=True,
            )
        assert caught.value.errors[0].field in ("audience", "audience_slug")
    assert nothing_written(panels)


@pytest.mark.parametrize(
    ("audience", "field"),
    [
        ({"name": "a", "dimensions": {"age": {"18-34": 0.5, "35+": 0.4}}}, "audience.dimensions[0].shares"),
        ({"name": "a", "dimensions": {}}, "audience.dimensions"),
        (
            {
                "name": "a",
                "dimensions": {"age": {"18-34": 0.5, "35+": 0.5}},
                "cross_tabs": [{"dimensions": ["age", "sex"], "shares": {"18-34": {"f": 1.0}}}],
            },
            "audience.cross_tabs[0].dimensions[1]",
        ),
    ],
)
def test_refuses_audiences_that_make_no_sense(panels: Panels, audience: dict[str, Any], field: str) -> None:
    """Shares that do not add up and unknown dimensions are refused by their path, and nothing is written."""
    with pytest.raises(InvalidInput) as caught:
        panels.request(audience=audience)
    assert field in [error.field for error in caught.value.errors]
    assert nothing_written(panels)


def test_takes_an_audience_of_the_catalogue(panels: Panels) -> None:
    """An audience may be named by its slug; one that is not in the catalogue is refused."""
    job_id = panels.request(audience_slug="poland-adults", size=4)
    [row] = panels.sql("SELECT audience FROM panels WHERE job_id = :job", job=job_id)
    assert row.audience["dimensions"]
    with pytest.raises(InvalidInput) as caught:
        panels.request(audience_slug="no-such-audience")
    assert caught.value.errors[0].field == "audience_slug"


def test_takes_an_audience_kept_in_the_project(panels: Panels) -> None:
    """An audience may be named by its id, in its own project and workspace only."""
    audience_id = new_id()
    panels.sql(
        """
        INSERT INTO audiences (id, workspace_id, project_id, name, spec)
        VALUES (:id, :workspace, :project, 'kept', CAST(:spec AS jsonb))
        """,
        id=audience_id,
        workspace=LOCAL_WORKSPACE,
        project=panels.project_id,
        spec=PanelRequest.model_validate({"size": 2, "audience": AUDIENCE}).audience.model_dump_json(),  # type: ignore[union-attr]
    )
    assert panels.job(panels.request(audience_id=audience_id)).items.total == 8
    panels.sql("UPDATE audiences SET workspace_id = :other", other=OTHER_WORKSPACE)
    with pytest.raises(InvalidInput) as caught:
        panels.request(audience_id=audience_id)
    assert caught.value.errors[0].field == "audience_id"


def test_refuses_a_project_of_another_workspace(panels: Panels) -> None:
    """A project that is not the caller's is as if it were not there."""
    panels.sql("UPDATE projects SET workspace_id = :other", other=OTHER_WORKSPACE)
    with pytest.raises(ProjectNotFound):
        panels.request()
    assert nothing_written(panels)


def test_labels_that_cannot_be_stored_are_cleaned(panels: Panels) -> None:
    """NUL in a label becomes U+FFFD instead of an error of the database."""
    audience = {"name": "a\x00b", "dimensions": {"x\x00": {"p\x00": 0.5, "q": 0.5}}}
    job_id = panels.request(audience=audience, size=2)
    panels.fan_out()
    [row] = panels.sql("SELECT payload FROM job_items WHERE job_id = :job AND position = 0", job=job_id)
    assert list(row.payload["demographics"]) == ["x\ufffd"]
