"""Reading, listing and deleting personas."""

from typing import Any
from uuid import UUID

import pytest

from common.ids import new_id
from common.personas import panels as kept
from common.personas import store
from common.personas.errors import PanelNotFound, PersonaNotFound
from common.personas.models import PersonaFilters, PersonaPage
from common.settings import LOCAL_WORKSPACE
from tests.integration.personas.conftest import OTHER_WORKSPACE, Panels


def listed(
    panels: Panels, *, limit: int = 100, after: UUID | None = None, workspace: UUID = LOCAL_WORKSPACE, **filters: Any
) -> PersonaPage:
    """A page of the project's personas."""
    with panels.engine.connect() as connection:
        return store.list_personas(
            connection, workspace, panels.project_id, PersonaFilters(**filters), limit=limit, after=after
        )


def test_lists_the_newest_panel_first_in_the_order_of_seats(panels: Panels) -> None:
    """Pages go through all personas once, and each says how many there are."""
    older, newer = panels.run(size=4), panels.run(size=3, seed=1)
    seen: list[tuple[UUID, int]] = []
    after = None
    while True:
        page = listed(panels, limit=2, after=after)
        assert page.total == 7
        seen += [(persona.job_id, persona.position) for persona in page.items]
        if page.next_cursor is None:
            break
        after = page.next_cursor
    assert seen == [(newer, n) for n in range(3)] + [(older, n) for n in range(4)]


def test_filters_by_what_personas_are(panels: Panels) -> None:
    """Dimensions filter together and labels of one dimension are alternatives."""
    job_id = panels.run(size=10)
    all_of_them = listed(panels).items
    women = listed(panels, demographics={"gender": ["women"]})
    assert {p.demographics["gender"] for p in women.items} == {"women"}
    assert women.total == 5
    both = listed(panels, demographics={"gender": ["women", "men"], "place_of_residence": ["city"]})
    assert both.total == 6
    assert listed(panels, demographics={"gender": ["nobody"]}).total == 0
    assert listed(panels, job_id=job_id).total == 10
    assert listed(panels, job_id=new_id()).total == 0
    best = sorted(persona.quality.score for persona in all_of_them)[-3]
    assert {p.quality.score >= best for p in listed(panels, min_quality=best).items} == {True}


def test_searches_names_and_headlines(panels: Panels) -> None:
    """Part of a name is enough, in any case; wildcards are letters like others."""
    panels.run(size=5)
    someone = listed(panels).items[2]
    found = listed(panels, search=someone.name.split()[1].upper())
    assert someone.id in [persona.id for persona in found.items]
    assert listed(panels, search="%").total == 0
    assert listed(panels, search="_").total == 0


def test_a_deleted_persona_is_gone_until_it_is_taken_back(panels: Panels) -> None:
    """Deleting hides a persona everywhere, twice is as once, and undoing brings back all of it."""
    panels.run(size=3)
    persona = listed(panels).items[1]
    for _ in range(2):
        with panels.engine.begin() as connection:
            store.delete(connection, LOCAL_WORKSPACE, persona.id)
    assert listed(panels).total == 2
    with panels.engine.connect() as connection, pytest.raises(PersonaNotFound):
        store.get(connection, LOCAL_WORKSPACE, persona.id)
    with panels.engine.begin() as connection:
        assert store.undelete(connection, LOCAL_WORKSPACE, persona.id) == persona
    assert listed(panels).total == 3


def test_a_page_goes_on_after_a_deleted_persona(panels: Panels) -> None:
    """A cursor holds even when the persona it names was deleted in between."""
    panels.run(size=4)
    first = listed(panels, limit=2)
    with panels.engine.begin() as connection:
        store.delete(connection, LOCAL_WORKSPACE, first.items[-1].id)
    assert [p.position for p in listed(panels, limit=2, after=first.next_cursor).items] == [2, 3]


def test_another_workspace_sees_nothing(panels: Panels) -> None:
    """Reading, listing, deleting and reporting all stop at the workspace."""
    job_id = panels.run(size=2)
    persona = listed(panels).items[0]
    assert listed(panels, workspace=OTHER_WORKSPACE).total == 0
    with panels.engine.connect() as connection:
        for call in (store.get, store.delete, store.undelete):
            with pytest.raises(PersonaNotFound):
                call(connection, OTHER_WORKSPACE, persona.id)
        with pytest.raises(PersonaNotFound):
            store.list_personas(
                connection, OTHER_WORKSPACE, panels.project_id, PersonaFilters(), limit=5, after=persona.id
            )
        with pytest.raises(PanelNotFound):
            kept.report(connection, OTHER_WORKSPACE, job_id)


def test_the_report_shows_marginals_beside_their_targets(panels: Panels) -> None:
    """A whole panel is within one seat everywhere; deleted personas are missing from it."""
    job_id = panels.run(size=10)
    with panels.engine.connect() as connection:
        report = kept.report(connection, LOCAL_WORKSPACE, job_id)
    assert (report.size, report.personas, report.audience) == (10, 10, "Grown-ups of two kinds of places")
    assert report.fit.overall.within_one_seat
    gender = next(fit for fit in report.fit.dimensions if fit.dimension == "gender")
    assert [(label.label, label.produced, label.target_seats) for label in gender.labels] == [
        ("women", 5, 5.0),
        ("men", 5, 5.0),
    ]
    women = listed(panels, demographics={"gender": ["women"]}).items
    with panels.engine.begin() as connection:
        for persona in women[:3]:
            store.delete(connection, LOCAL_WORKSPACE, persona.id)
        report = kept.report(connection, LOCAL_WORKSPACE, job_id)
    assert report.personas == 7
    gender = next(fit for fit in report.fit.dimensions if fit.dimension == "gender")
    assert [label.produced for label in gender.labels] == [2, 5]
