"""What the model claims without proof is asked about once more, then left out and counted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from common.errors import SightError
from common.jobs.models import Claim
from common.llm.port import Calls, ModelUnavailable, Request
from common.shutdown import ShuttingDown
from common.summaries import variables
from common.summaries.checking import labelled
from common.summaries.errors import NothingHeld
from common.summaries.models import Findings
from common.summaries.reading import Reader
from tests.fakes.llm import Says, ScriptedModel
from tests.unit.summaries.factories import a_group, an_answer
from tests.unit.summaries.test_checking import ALSO_GOOD, FABRICATED, GOOD, a_disagreement, a_point, a_report

GROUP = a_group(personas=2, questions=2)
ANSWERS = [an_answer(0, 0), an_answer(0, 1, "oppose"), an_answer(1, 0, "mixed")]
CLAIM = Claim(
    workspace_id=UUID(int=1),
    project_id=UUID(int=2),
    job_id=UUID(int=3),
    item_id=UUID(int=4),
    token=1,
    kind="summary",
    flow="parallel",
    rounds=1,
    position=0,
    round=0,
    attempts=1,
    persona_id=None,
    question_id=None,
    payload={},
    spec={},
    seed=7,
    subject_id=None,
    reserved_micros=0,
    seconds_left=60.0,
)


def ask(says: dict[str, Says], prompt: str = "summary") -> tuple[Findings, ScriptedModel]:
    """What a reader makes of a scripted model's replies."""
    llm = ScriptedModel(says)
    reader = Reader(llm, CLAIM, 7, Calls(), 1e12)
    found, _ = reader.ask(prompt, variables.about(GROUP), labelled(ANSWERS, GROUP), {"T1": ["price"]})
    return found, llm


def drafting(**sections: Any) -> Says:
    """A script that replies with a report of these sections."""
    return lambda _: a_report(**sections).model_dump()


def mending(**evidence: list[str]) -> Says:
    """A script that replies with this evidence for statements."""
    return lambda _: {"statements": [{"label": label, "evidence": cited} for label, cited in evidence.items()]}


def test_what_holds_is_kept_without_another_call() -> None:
    """A report with nothing in doubt takes one call."""
    found, llm = ask({"summary": drafting(executive_summary=[a_point(GOOD)])})
    assert llm.prompts() == ["summary"]
    assert (llm.asked[0].tier, llm.asked[0].temperature <= 0.3) == ("analysis", True)
    assert found.rejected == []


def test_a_fabricated_quote_is_asked_about_once_with_the_answers_it_names() -> None:
    """The question shows the claim, its fault and the cited answer in full, and a real quote mends it."""
    found, llm = ask(
        {
            "summary": drafting(executive_summary=[a_point(GOOD), a_point(FABRICATED)]),
            "summary_mend": mending(S1=[GOOD]),
        }
    )
    assert llm.prompts() == ["summary", "summary_mend"]
    shown = llm.asked[1].variables
    assert [(s["label"], s["fault"]) for s in shown["statements"]] == [("S1", "quote_not_found")]
    assert [(a["label"], a["text"]) for a in shown["answers"]] == [("A1", ANSWERS[0].text)]
    assert len(found.executive_summary) == 2
    assert found.rejected == []


def test_what_cannot_be_mended_is_left_out_and_counted() -> None:
    """A second fabrication, or no evidence at all, ends in the count of rejected insights."""
    found, _ = ask(
        {
            "summary": drafting(executive_summary=[a_point(GOOD), a_point(FABRICATED), a_point(FABRICATED)]),
            "summary_mend": mending(S1=[FABRICATED], S2=[]),
        }
    )
    assert len(found.executive_summary) == 1
    assert [(r.fault, r.count) for r in found.rejected] == [("quote_not_found", 2)]


def test_a_real_quote_of_another_answer_is_mended_with_that_answer_shown() -> None:
    """The answer which does hold the quote is looked up and offered."""
    misplaced = GOOD.replace("A1", "A3")
    found, llm = ask(
        {
            "summary": drafting(executive_summary=[a_point(ALSO_GOOD), a_point(misplaced)]),
            "summary_mend": mending(S1=[GOOD]),
        }
    )
    assert {answer["label"] for answer in llm.asked[1].variables["answers"]} == {"A1", "A3"}
    assert len(found.executive_summary) == 2


def test_only_the_side_in_doubt_is_asked_about() -> None:
    """The other side of a disagreement keeps its evidence."""
    found, llm = ask(
        {
            "summary": drafting(disagreements=[a_disagreement([FABRICATED], [ALSO_GOOD])]),
            "summary_mend": mending(S1=[GOOD]),
        }
    )
    assert [s["statement"] for s in llm.asked[1].variables["statements"]] == ["The price: For"]
    assert [
        f": {side.evidence[0].quote}" in cited
        for side, cited in zip(found.disagreements[0].sides, (GOOD, ALSO_GOOD), strict=True)
    ] == [True, True]


@pytest.mark.parametrize("error", [ModelUnavailable("down"), SightError("refused")])
def test_a_failure_to_mend_costs_only_what_was_in_doubt(error: SightError) -> None:
    """What held is kept."""

    def fail(_: Request) -> SightError:
        return error

    found, _ = ask({"summary": drafting(executive_summary=[a_point(GOOD), a_point(FABRICATED)]), "summary_mend": fail})
    assert len(found.executive_summary) == 1
    assert [(r.fault, r.count) for r in found.rejected] == [("quote_not_found", 1)]


def test_mending_that_the_end_of_the_process_interrupts_is_left_to_another() -> None:
    """A release is no reason for a poorer report."""
    drafted = drafting(executive_summary=[a_point(GOOD), a_point(FABRICATED)])
    with pytest.raises(ShuttingDown):
        ask({"summary": drafted, "summary_mend": lambda _: ShuttingDown("about to end")})


def test_a_report_of_which_nothing_holds_is_no_report() -> None:
    """It fails, retryably, instead of being shown empty; so does one that says nothing."""
    fabricated = {"summary": drafting(executive_summary=[a_point(FABRICATED)]), "summary_mend": mending()}
    with pytest.raises(NothingHeld) as raised:
        ask(fabricated)
    assert raised.value.retryable
    with pytest.raises(NothingHeld):
        ask({"summary": drafting()})


def test_a_portion_may_have_nothing_to_say() -> None:
    """Unlike a report, a reading may be empty."""
    found, _ = ask({"summary_part": lambda _: {"themes": [], "surprising": [], "disagreements": []}}, "summary_part")
    assert found == Findings()
