"""Requesting focus groups: who sits in them, what is refused, and what a repeat does."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.bus.topology import JOBS
from common.errors import InvalidInput
from common.focus_groups.models import GroupRequest
from common.focus_groups.service import request_group
from common.ids import new_id
from common.jobs.accept import request_hash
from common.jobs.errors import IdempotencyKeyReused
from common.jobs.sweep import sweep
from common.projects.errors import ProjectNotFound
from common.settings import LOCAL_WORKSPACE
from tests.integration.focus_groups.conftest import QUESTIONS, Groups

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def members(groups: Groups, focus_group_id: UUID) -> list[UUID]:
    """The personas of a group in order."""
    rows = groups.sql(
        "SELECT position, persona_id FROM focus_group_members WHERE focus_group_id = :group ORDER BY position",
        group=focus_group_id,
    )
    assert [row.position for row in rows] == list(range(len(rows)))
    return [row.persona_id for row in rows]


def counts(groups: Groups) -> list[Any]:
    """How many rows there are of everything a request writes."""
    tables = ("jobs", "focus_groups", "questions", "outbox", "job_events", "job_rounds")
    return [groups.sql(f"SELECT count(*) FROM {table}") for table in tables]


def test_a_group_of_a_panel_seats_all_its_personas_in_order(groups: Groups) -> None:
    """Members are the panel's personas by position, but for those that were deleted."""
    panel = groups.panel(6)
    personas = groups.personas(panel)
    groups.sql("UPDATE personas SET deleted_at = now() WHERE id = :id", id=personas[2])
    accepted = groups.ask(panel_job_id=panel)
    assert members(groups, accepted.focus_group_id) == personas[:2] + personas[3:]
    job = groups.job(accepted.job_id)
    assert (job.kind, job.subject_id, job.items.total, job.seed) == ("focus_group", accepted.focus_group_id, 15, 7)


def test_a_group_of_chosen_personas_seats_them_in_the_order_given(groups: Groups) -> None:
    """Personas may come from several panels of the project, in any order."""
    chosen = groups.personas(groups.panel(3))[::-1] + groups.personas(groups.panel(2))
    accepted = groups.ask(persona_ids=[str(each) for each in chosen])
    assert members(groups, accepted.focus_group_id) == chosen
    asked = groups.sql("SELECT text FROM questions ORDER BY position")
    assert [row.text for row in asked] == QUESTIONS


def test_duplicates_are_left_out_when_asked(groups: Groups) -> None:
    """Personas marked as duplicates sit in the group unless the request leaves them out."""
    panel = groups.panel(4)
    personas = groups.personas(panel)
    groups.sql("UPDATE personas SET duplicate_of = :of WHERE id = :id", of=personas[0], id=personas[1])
    with pytest.raises(InvalidInput, match="not been searched"):
        groups.ask(panel_job_id=panel, without_duplicates=True)
    groups.sql(
        "INSERT INTO panels (job_id, workspace_id, audience, reviewed_at) VALUES (:job, :workspace, '{}', now())",
        job=panel,
        workspace=LOCAL_WORKSPACE,
    )
    accepted = groups.ask(panel_job_id=panel, without_duplicates=True)
    assert members(groups, accepted.focus_group_id) == [personas[0], *personas[2:]]
    assert len(members(groups, groups.ask(panel_job_id=panel).focus_group_id)) == 4


def test_unknown_foreign_and_deleted_personas_are_named_and_nothing_is_written(groups: Groups) -> None:
    """Each wrong id is an error of its own place in the list."""
    personas = groups.personas(groups.panel(4))
    other = new_id()
    groups.sql(
        "INSERT INTO projects (id, workspace_id, name) VALUES (:id, :workspace, 'Other')",
        id=other,
        workspace=LOCAL_WORKSPACE,
    )
    foreign = groups.personas(groups.panel(1, project_id=other))
    groups.sql("UPDATE personas SET deleted_at = now() WHERE id = :id", id=personas[3])
    before = counts(groups)
    with pytest.raises(InvalidInput) as caught:
        groups.ask(persona_ids=[personas[0], new_id(), personas[1], foreign[0], personas[3]])
    assert [error.field for error in caught.value.errors] == ["persona_ids[1]", "persona_ids[3]", "persona_ids[4]"]
    assert counts(groups) == before


def test_a_persona_named_twice_is_refused(groups: Groups) -> None:
    """The second mention is the wrong one."""
    personas = groups.personas(groups.panel(2))
    with pytest.raises(InvalidInput) as caught:
        groups.ask(persona_ids=[*personas, personas[0]])
    assert [(error.field, error.message) for error in caught.value.errors] == [
        ("persona_ids[2]", "the same persona as persona_ids[0]")
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"panel_job_id": str(new_id())}, "panel_job_id"),
        ({"panel_job_id": str(new_id()), "persona_ids": [str(new_id()), str(new_id())]}, "panel_job_id"),
        ({"panel_job_id": None}, "persona_ids"),
        ({"persona_ids": [str(new_id()), str(new_id())], "without_duplicates": True}, "without_duplicates"),
    ],
)
def test_a_request_without_one_clear_source_of_members_is_refused(
    groups: Groups, changes: dict[str, Any], field: str
) -> None:
    """Neither, both, or an unknown panel: the field at fault is named."""
    with pytest.raises(InvalidInput) as caught:
        groups.ask(**changes)
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.parametrize(("size", "state"), [(1, "completed"), (1001, "completed"), (5, "running")])
def test_a_panel_that_is_too_small_too_large_or_unfinished_is_refused(groups: Groups, size: int, state: str) -> None:
    """A group takes 2 to 1,000 personas of a panel that is done."""
    panel = groups.panel(min(size, 5), state=state)
    if size > 5:
        groups.sql("""
            INSERT INTO personas SELECT (p2).* FROM (
                SELECT jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'position', n)) AS p2
                FROM personas p, generate_series(5, 1000) n WHERE p.position = 0) s
        """)
    before = counts(groups)
    with pytest.raises(InvalidInput, match="panel_job_id"):
        groups.ask(panel_job_id=panel)
    assert counts(groups) == before


def test_a_foreign_or_deleted_project_is_not_found(groups: Groups) -> None:
    """Groups are only accepted in a project of the workspace that is there."""
    panel = groups.panel()
    request = GroupRequest(name="Group", questions=QUESTIONS, panel_job_id=panel)
    for workspace_id, project_id in ((new_id(), groups.project_id), (LOCAL_WORKSPACE, new_id())):
        with pytest.raises(ProjectNotFound):
            request_group(
                groups.engine,
                groups.relay,
                workspace_id,
                project_id,
                request,
                idempotency_key=None,
                simulated=True,
            )
    groups.sql("UPDATE projects SET deleted_at = now()")
    with pytest.raises(ProjectNotFound):
        groups.ask(panel_job_id=panel)


def test_a_repeat_with_the_same_key_is_the_same_group(groups: Groups) -> None:
    """The same key and request answer the same group; with another request it is a conflict."""
    panel = groups.panel()
    first = groups.ask("key", panel_job_id=panel)
    before = counts(groups)
    assert groups.ask("key", panel_job_id=panel) == first
    with pytest.raises(IdempotencyKeyReused):
        groups.ask("key", panel_job_id=panel, name="Another")
    assert counts(groups) == before
    assert groups.ask("another key", panel_job_id=panel) != first


def test_a_race_on_the_same_key_is_won_once(groups: Groups) -> None:
    """A request that loses the race finds the group of the one that won."""
    panel = groups.panel()
    loser: list[Any] = []
    with groups.engine.begin() as winner:
        # The winner's job is written but not committed: the loser passes the first check and waits on the key.
        job_id, group_id = new_id(), new_id()
        request = GroupRequest(name="Oat milk", questions=QUESTIONS, seed=7, panel_job_id=panel)
        wanted = request_hash("focus_group", {"project_id": str(groups.project_id), **request.model_dump(mode="json")})
        winner.execute(
            text("""
                INSERT INTO jobs (id, workspace_id, project_id, kind, flow, rounds, state, spec, seed, request_hash,
                                  idempotency_key, total, deadline_at, simulated, subject_id)
                VALUES (:id, :workspace, :project, 'focus_group', 'chain', 3, 'running', '{}', 7, :hash, 'key', 15,
                        now(), true, :group)
            """),
            {
                "id": job_id,
                "workspace": LOCAL_WORKSPACE,
                "project": groups.project_id,
                "hash": wanted,
                "group": group_id,
            },
        )
        thread = threading.Thread(target=lambda: loser.append(groups.ask("key", panel_job_id=panel)))
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not groups.sql(waiting)[0][0]:
            thread.join(0.01)
            assert thread.is_alive()
    thread.join()
    assert loser == [(job_id, group_id)]
    assert groups.sql("SELECT count(*) FROM focus_groups") == [(0,)]


def test_a_group_is_accepted_while_the_bus_is_down(groups: Groups) -> None:
    """What could not be published waits for the sweeper."""
    panel = groups.panel()
    groups.bus.broken = True
    accepted = groups.ask(panel_job_id=panel)
    groups.bus.broken = False
    groups.sql("UPDATE outbox SET created_at = now() - interval '1 minute'")
    sweep(groups.engine, groups.relay)
    [data] = [message.data for topic, message in groups.bus.published if topic == JOBS]
    assert json.loads(data)["job_id"] == str(accepted.job_id)


def test_budget_and_deadline_become_the_jobs(groups: Groups) -> None:
    """The budget counts in millionths of a dollar; without a seed one is drawn."""
    accepted = groups.ask(budget_usd=1.25, deadline_seconds=60, seed=None)
    [job] = groups.sql(
        "SELECT budget_micros, deadline_at - created_at AS time, seed FROM jobs WHERE id = :id", id=accepted.job_id
    )
    assert (job.budget_micros, job.time.total_seconds()) == (1_250_000, 60)
    assert job.seed >= 0


def test_laying_out_is_the_same_whatever_the_batches(groups: Groups) -> None:
    """Positions are persona by persona; only first questions are ready."""
    accepted = groups.ask(mode="discussion")
    groups.fan_out()
    rows = groups.sql("""
        SELECT i.position, i.round, i.state, m.position AS member, q.position AS question
        FROM job_items i JOIN focus_groups g ON g.job_id = i.job_id
        JOIN focus_group_members m ON m.focus_group_id = g.id AND m.persona_id = i.persona_id
        JOIN questions q ON q.id = i.question_id ORDER BY i.position
    """)
    assert [row.position for row in rows] == list(range(15))
    assert all((row.member, row.question) == divmod(row.position, 3) for row in rows)
    assert all(row.round == row.question for row in rows)
    assert all((row.state == "ready") == (row.question == 0) for row in rows)
    assert groups.job(accepted.job_id).state == "running"
