"""The review of panels that ended."""

from dataclasses import replace
from typing import Any

import pytest

from common.ids import new_id
from common.jobs.errors import JobNotFound
from common.llm.port import ModelUnavailable, Reply, Request
from common.personas import panels as kept
from common.personas import review, store
from common.personas.models import Draft, PanelReport, PersonaFilters
from common.settings import LOCAL_WORKSPACE
from tests.integration.personas.conftest import Panels

LISTS = ("values", "interests", "concerns", "needs", "pains")


def report(panels: Panels, job_id: Any) -> PanelReport:
    """The report of a panel."""
    with panels.engine.connect() as connection:
        return kept.report(connection, LOCAL_WORKSPACE, job_id)


def test_a_finished_panel_is_reviewed(panels: Panels) -> None:
    """Every persona is embedded, and the review says how consistent, grounded, good and alike they are."""
    job_id = panels.run(size=10)
    [event] = panels.finished()
    review_id = panels.review(event)
    assert review_id is not None
    assert panels.job(review_id).state == "completed"
    found = report(panels, job_id).review
    assert found is not None
    assert (found.personas, found.duplicates, found.consistency_rate) == (10, 0, 1.0)
    assert found.first_reply_consistency_rate == 1.0
    assert found.grounded_claims_rate == 1.0
    assert found.mean_quality is not None
    assert found.mean_quality > 80
    assert found.nearest is not None
    assert found.fit.overall.within_one_seat
    assert panels.sql("SELECT vector_dims(embedding) AS d FROM personas")[0].d == 768
    assert not panels.sql("SELECT 1 FROM personas WHERE embedding IS NULL")


def test_the_event_may_come_again(panels: Panels) -> None:
    """However often the end of a panel is told, one review is accepted."""
    panels.run(size=3)
    [event] = panels.finished()
    first = panels.review(event)
    assert review.begin_review(event, panels.engine, panels.relay) == first
    assert len(panels.sql("SELECT 1 FROM jobs WHERE kind = 'panel_review'")) == 1


def test_a_panel_of_a_deleted_project_is_not_reviewed(panels: Panels) -> None:
    """Its end may be told after its project was deleted: nothing is begun then."""
    panels.run(size=3)
    [event] = panels.finished()
    panels.sql("UPDATE projects SET deleted_at = now()")
    assert panels.review(event) is None
    assert not panels.sql("SELECT 1 FROM jobs WHERE kind = 'panel_review'")


def test_a_panel_without_a_persona_is_not_reviewed(panels: Panels) -> None:
    """A budget that could pay for none leaves nothing to review."""
    job_id = panels.request(size=4, budget_usd=0.000_002)
    panels.fan_out()
    panels.make(panels.asked()[0], reserve_micros=3)
    assert (panels.job(job_id).state, panels.job(job_id).items.done) == ("partial", 0)
    [event] = panels.finished()
    assert panels.review(event) is None


def test_a_partial_panel_shows_what_is_missing(panels: Panels) -> None:
    """The review of a partial panel counts seats that failed for contradiction, and its fit lacks them."""

    def change(request: Request, reply: Reply) -> Reply:
        if "persona" in request.prompt and request.variables["seat"]["gender"] == "men":
            assert isinstance(reply.data, Draft)
            return replace(reply, data=reply.data.model_copy(update={"name": "Jan Kowalski", "age_years": 5}))
        return reply

    panels.llm.change = change
    job_id = panels.run(size=10)
    [event] = panels.finished()
    panels.review(event)
    found = report(panels, job_id).review
    assert found is not None
    assert (found.personas, found.consistency_rate, found.first_reply_consistency_rate) == (5, 0.5, 0.5)
    gender = next(fit for fit in found.fit.dimensions if fit.dimension == "gender")
    assert [label.produced for label in gender.labels] == [5, 0]
    assert not found.fit.overall.within_one_seat


def test_copies_are_marked_as_duplicates(panels: Panels) -> None:
    """Personas that tell the same life under other names point to the first of them, and can be filtered."""

    def change(request: Request, reply: Reply) -> Reply:
        if request.prompt != "persona":
            return reply
        assert isinstance(reply.data, Draft)
        same = {
            "headline": "Baker who gets up when others go to bed",
            "occupation": "Baker",
            "story": "A bakery, an oven and a bicycle: that is the day, from three in the morning until noon, and then "
            "there is sleep, a walk along the river and the radio before the next night begins again.",
            "communication_style": "Short sentences and long pauses.",
            "decision_style": "Sleeps on it, in the afternoon.",
            **{kind: ["bread", "rivers", "quiet nights"] for kind in LISTS},
        }
        return replace(reply, data=reply.data.model_copy(update=same))

    panels.llm.change = change
    job_id = panels.run(size=4)
    panels.review(panels.finished()[0])
    personas = panels.personas(job_id)
    assert [persona.duplicate_of for persona in personas] == [None] + [personas[0].id] * 3
    found = report(panels, job_id).review
    assert found is not None
    assert found.duplicates == 3
    with panels.engine.connect() as connection:
        for duplicates, total in ((True, 3), (False, 1)):
            filters = PersonaFilters(duplicates=duplicates)
            page = store.list_personas(connection, LOCAL_WORKSPACE, panels.project_id, filters, limit=10)
            assert page.total == total


def test_a_broken_off_review_goes_on_where_it_was(panels: Panels) -> None:
    """Embeddings that were stored are not asked for again when the review is tried again."""
    panels.run(size=4)
    [event] = panels.finished()
    stored = panels.sql("SELECT id FROM personas ORDER BY position LIMIT 2")
    vector = "[" + ",".join(["1"] + ["0"] * 767) + "]"
    panels.sql(
        "UPDATE personas SET embedding = CAST(:vector AS vector) WHERE id = ANY(:ids)",
        vector=vector,
        ids=[row.id for row in stored],
    )
    panels.review(event)
    assert len(panels.llm.embedded) == 2


def test_the_review_spends_what_the_panel_left(panels: Panels) -> None:
    """The review's budget is the rest of its panel's; a panel without a budget sets none."""
    panels.run(size=2, budget_usd=0.5)
    panels.sql("UPDATE jobs SET spent_micros = 123456 WHERE kind = 'personas'")
    [event] = panels.finished()
    review_id = panels.review(event)
    assert review_id is not None
    assert panels.job(review_id).spend.budget_micros == 376_544


@pytest.mark.parametrize("change", ["state = 'cancelled'", "state = 'running'", "done = 0, state = 'failed'"])
def test_some_panels_are_not_reviewed(panels: Panels, change: str) -> None:
    """A cancelled panel, one opened again and one without personas have no review."""
    panels.run(size=2)
    [event] = panels.finished()
    panels.sql(f"UPDATE jobs SET {change}")
    assert panels.review(event) is None
    assert not panels.sql("SELECT 1 FROM jobs WHERE kind = 'panel_review'")


def test_a_panel_opened_again_is_reviewed_again(panels: Panels) -> None:
    """A job of a newer version has a review of its own, and an older review never replaces a newer one."""
    job_id = panels.run(size=3)
    [event] = panels.finished()
    first = panels.review(event)
    panels.sql("UPDATE jobs SET version = version + 2 WHERE id = :job", job=job_id)
    second = panels.review(event)
    assert first != second
    [row] = panels.sql("SELECT review_version FROM panels WHERE job_id = :job", job=job_id)
    assert row.review_version == panels.job(job_id).version


def test_a_review_of_nothing_we_know_is_refused(panels: Panels) -> None:
    """An event that names no job of the workspace is an error, not a review."""
    panels.run(size=2)
    [event] = panels.finished()
    with pytest.raises(JobNotFound):
        review.begin_review(event.model_copy(update={"job_id": new_id()}), panels.engine, panels.relay)


def test_a_model_that_is_down_leaves_the_review_to_come_again(panels: Panels) -> None:
    """The item is given back, and the panel has no review yet."""
    job_id = panels.run(size=2)
    [event] = panels.finished()

    def down(*_: Any, **__: Any) -> list[list[float]]:
        raise ModelUnavailable("down")

    panels.llm.embed = down  # type: ignore[method-assign]
    with pytest.raises(ModelUnavailable):
        panels.review(event)
    assert report(panels, job_id).review is None
