"""Tests of keeping projects."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from common.events.outbox import Relay
from common.ids import new_id
from common.jobs.accept import accept
from common.jobs.models import NewJob
from common.projects import service, store
from common.projects.errors import ProjectNotFound
from common.projects.models import NewProject, ProjectChange
from common.settings import LOCAL_WORKSPACE
from tests.fakes.bus import ListBus


def make(engine: Engine, name: str = "Coffee") -> UUID:
    """A project of the local workspace."""
    with engine.begin() as connection:
        return store.create(connection, LOCAL_WORKSPACE, NewProject(name=name)).id


def test_a_project_is_found_again_and_only_in_its_workspace(engine: Engine) -> None:
    """What was created is found under its id, and is not there for another workspace."""
    project_id = make(engine)
    with engine.connect() as connection:
        assert store.get(connection, LOCAL_WORKSPACE, project_id).name == "Coffee"
        with pytest.raises(ProjectNotFound):
            store.get(connection, new_id(), project_id)


def test_a_change_leaves_alone_what_it_does_not_name(engine: Engine) -> None:
    """Changing the description keeps the name."""
    project_id = make(engine)
    with engine.begin() as connection:
        changed = store.change(connection, LOCAL_WORKSPACE, project_id, ProjectChange(description="Beans"))
    assert (changed.name, changed.description) == ("Coffee", "Beans")


def test_projects_are_listed_newest_first_page_by_page(engine: Engine) -> None:
    """Each page begins after the last id of the page before."""
    ids = [make(engine, f"Project {number}") for number in range(5)]
    with engine.connect() as connection:
        first = store.list_projects(connection, LOCAL_WORKSPACE, limit=3, before=None)
        second = store.list_projects(connection, LOCAL_WORKSPACE, limit=3, before=first[-1].id)
    assert [project.id for project in first + second] == ids[::-1]


def test_a_deletion_can_be_taken_back(engine: Engine) -> None:
    """A deleted project is nowhere to be found until the deletion is undone."""
    project_id = make(engine)
    with engine.begin() as connection:
        store.delete(connection, LOCAL_WORKSPACE, project_id)
        with pytest.raises(ProjectNotFound):
            store.get(connection, LOCAL_WORKSPACE, project_id)
        assert store.list_projects(connection, LOCAL_WORKSPACE, limit=10, before=None) == []
        store.undelete(connection, LOCAL_WORKSPACE, project_id)
        assert store.get(connection, LOCAL_WORKSPACE, project_id).id == project_id


def test_deleting_a_project_cancels_what_runs_in_it(engine: Engine) -> None:
    """No job of a deleted project goes on spending, and its end is announced."""
    project_id, job_id, bus = make(engine), new_id(), ListBus()
    job = NewJob(
        id=job_id,
        project_id=project_id,
        kind="personas",
        flow="parallel",
        total=3,
        spec={},
        seed=1,
        simulated=True,
        request_hash="",
    )
    accept(engine, LOCAL_WORKSPACE, job)
    service.delete_project(engine, Relay(engine, bus), LOCAL_WORKSPACE, project_id)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT state FROM jobs WHERE id = :id"), {"id": job_id}).scalar() == "cancelled"
    assert "sight.job.finished.v1" in {message.attributes["type"] for _, message in bus.published}
