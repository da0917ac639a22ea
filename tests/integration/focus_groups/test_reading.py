"""Reading focus groups: lists, pages, filters, and nothing of other workspaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from common.database.engine import autocommit
from common.focus_groups import store
from common.focus_groups.errors import FocusGroupNotFound
from common.focus_groups.transcript import answers, transcript
from common.focus_groups.views import Entry, Order
from common.ids import new_id
from common.jobs import stops
from common.settings import LOCAL_WORKSPACE
from tests.integration.focus_groups.conftest import Groups


def places(entries: list[Entry]) -> list[tuple[int, int]]:
    """Persona and question of each entry."""
    return [(entry.persona_position, entry.question_position) for entry in entries]


@pytest.mark.parametrize("order", ["persona", "question"])
def test_a_transcript_is_read_page_by_page_in_order(groups: Groups, order: Order) -> None:
    """Pages meet without a gap or a repeat, and each says how many entries there are in all."""
    group_id = groups.ask().focus_group_id
    groups.run()
    found: list[Entry] = []
    cursor: int | None = None
    with groups.engine.connect() as connection:
        while True:
            page = transcript(connection, LOCAL_WORKSPACE, group_id, order=order, limit=4, after=cursor)
            assert page.total == 15
            found += page.entries
            cursor = page.next
            if cursor is None:
                break
    expected = [(persona, question) for persona in range(5) for question in range(3)]
    key: Callable[[tuple[int, int]], Any] = (lambda p: p) if order == "persona" else (lambda p: (p[1], p[0]))
    assert places(found) == sorted(expected, key=key)
    assert all(entry.answer is not None and entry.gap is None for entry in found)


def test_a_transcript_of_one_persona_or_one_question(groups: Groups) -> None:
    """Filters leave the order as it is."""
    panel = groups.panel()
    third = groups.personas(panel)[2]
    group_id = groups.ask(panel_job_id=panel).focus_group_id
    groups.run()
    with groups.engine.connect() as connection:
        page = transcript(connection, LOCAL_WORKSPACE, group_id, order="question", limit=2, persona_id=third)
        assert (places(page.entries), page.total) == ([(2, 0), (2, 1)], 3)
        page = transcript(connection, LOCAL_WORKSPACE, group_id, order="persona", limit=9, question_position=1)
        assert places(page.entries) == [(persona, 1) for persona in range(5)]


def test_before_the_end_what_is_missing_is_pending(groups: Groups) -> None:
    """Entries that were not asked yet are there without an answer and without a reason."""
    accepted = groups.ask()
    with groups.engine.connect() as connection:
        page = transcript(connection, LOCAL_WORKSPACE, accepted.focus_group_id, order="persona", limit=50)
        assert {(entry.state, entry.answer, entry.gap) for entry in page.entries} == {("pending", None, None)}
    groups.fan_out()
    groups.work(groups.asked()[0])
    with groups.engine.connect() as connection:
        page = transcript(connection, LOCAL_WORKSPACE, accepted.focus_group_id, order="persona", limit=50)
        assert [entry.state for entry in page.entries].count("answered") == 1
        assert [entry.state for entry in page.entries].count("pending") == 14
        first = store.questions(connection, LOCAL_WORKSPACE, accepted.focus_group_id)[0]
        assert (first.answered, first.failed, first.skipped, first.pending) == (1, 0, 0, 4)


@pytest.mark.parametrize("laid_out", [True, False])
def test_a_cancelled_group_says_why_answers_are_missing(groups: Groups, laid_out: bool) -> None:
    """Skipped answers name their reason, also those that never were laid out."""
    accepted = groups.ask()
    if laid_out:
        groups.fan_out()
    with autocommit(groups.engine) as connection:
        stops.stop(connection, LOCAL_WORKSPACE, accepted.job_id, "cancelled")
        page = transcript(connection, LOCAL_WORKSPACE, accepted.focus_group_id, order="persona", limit=50)
        gaps = {(entry.state, entry.gap.code, entry.gap.detail) for entry in page.entries if entry.gap}
        assert gaps == {("skipped", "cancelled", "the job was cancelled")}
        assert len(page.entries) == 15
        counted = store.questions(connection, LOCAL_WORKSPACE, accepted.focus_group_id)
        assert [(question.skipped, question.pending) for question in counted] == [(5, 0)] * 3


def test_answers_are_found_by_question_persona_segment_and_stance(groups: Groups) -> None:
    """Filters combine, and pages meet."""
    panel = groups.panel()
    personas = groups.personas(panel)
    group_id = groups.ask(panel_job_id=panel).focus_group_id
    groups.run()
    groups.sql("UPDATE answers SET stance = 'oppose' WHERE question_position = 1")
    groups.sql("UPDATE answers SET stance = 'support' WHERE question_position <> 1")
    with groups.engine.connect() as connection:

        def found(**filters: Any) -> list[tuple[int, int]]:
            page = answers(connection, LOCAL_WORKSPACE, group_id, limit=50, **filters)
            assert page.total == len(page.answers)
            return [(answer.persona_position, answer.question_position) for answer in page.answers]

        assert len(found()) == 15
        assert found(question_position=1) == [(persona, 1) for persona in range(5)]
        assert found(persona_id=personas[3]) == [(3, 0), (3, 1), (3, 2)]
        assert found(stance="oppose") == [(persona, 1) for persona in range(5)]
        women = [0, 2, 4]
        assert found(segment=("gender", "women"), stance="oppose") == [(persona, 1) for persona in women]
        assert found(segment=("gender", "nobody")) == []
        assert found(segment=("no such dimension", "women")) == []
        first = answers(connection, LOCAL_WORKSPACE, group_id, limit=10)
        second = answers(connection, LOCAL_WORKSPACE, group_id, limit=10, after=first.next)
        assert (len(first.answers), first.total, len(second.answers), second.next) == (10, 15, 5, None)
        assert not {answer.id for answer in first.answers} & {answer.id for answer in second.answers}


def test_groups_are_listed_newest_first_with_their_progress(groups: Groups) -> None:
    """Each group shows what it was asked with and how far it is."""
    first, second = groups.ask(), groups.ask(mode="discussion", language="PL", briefing=" A new drink. ")
    groups.run()
    third = groups.ask(name="Third")
    with groups.engine.connect() as connection:
        listed = store.list_groups(connection, LOCAL_WORKSPACE, project_id=groups.project_id, limit=2, before=None)
        assert [group.id for group in listed] == [third.focus_group_id, second.focus_group_id]
        rest = store.list_groups(connection, LOCAL_WORKSPACE, project_id=None, limit=2, before=listed[-1].id)
        assert [group.id for group in rest] == [first.focus_group_id]
        found = store.get(connection, LOCAL_WORKSPACE, second.focus_group_id)
        seats = store.members(connection, LOCAL_WORKSPACE, second.focus_group_id, limit=3, after=1)
    assert (found.mode, found.language, found.briefing) == ("discussion", "pl", "A new drink.")
    assert (found.state, found.items.done, found.members, found.questions) == ("completed", 15, 5, 3)
    assert found.simulated
    assert (listed[0].state, listed[0].items.done) == ("running", 0)
    assert [seat.position for seat in seats] == [2, 3, 4]
    assert seats[0].demographics == {"gender": "women"}


def test_other_workspaces_see_nothing(groups: Groups) -> None:
    """Whatever is asked with another workspace, the group is not there."""
    accepted = groups.ask()
    groups.run()
    group_id, other = accepted.focus_group_id, new_id()
    readings: list[Callable[[Connection], object]] = [
        lambda c: store.get(c, other, group_id),
        lambda c: store.questions(c, other, group_id),
        lambda c: transcript(c, other, group_id, order="persona", limit=5),
        lambda c: answers(c, other, group_id, limit=5),
    ]
    with groups.engine.connect() as connection:
        for read in readings:
            with pytest.raises(FocusGroupNotFound):
                read(connection)
        assert store.members(connection, other, group_id, limit=5) == []
        assert store.list_groups(connection, other, project_id=groups.project_id, limit=5, before=None) == []
