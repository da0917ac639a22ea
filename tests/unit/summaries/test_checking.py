"""An insight holds only when every quote is in the answer named for it."""

from __future__ import annotations

from typing import Any

import pytest

from common.llm.gemini.schema import response_schema
from common.summaries.checking import check, claims, findings, insights, labelled, verify, with_citations
from common.summaries.drafts import Citation, DraftReport, Mended, Mending
from common.summaries.models import Fault
from tests.unit.summaries.factories import a_group, an_answer

GROUP = a_group(personas=2, questions=2)
ANSWERS = [an_answer(0, 0), an_answer(0, 1, "oppose"), an_answer(1, 0, "mixed")]
LABELLED = labelled(ANSWERS, GROUP)
GOOD = "A1: the price is fair for what it does"
ALSO_GOOD = "A2: It is too expensive for us."
FABRICATED = "A1: the price is outrageous for what it does"


def a_citation(text: str) -> Citation:
    """A citation as the model writes it."""
    return Mended.model_validate({"label": "S1", "evidence": [text]}).evidence[0]


def a_report(**sections: Any) -> DraftReport:
    """A draft with these sections; the others are empty."""
    empty: dict[str, Any] = {
        "themes": [],
        "surprising": [],
        "disagreements": [],
        "executive_summary": [],
        "recommendations": [],
    }
    return DraftReport.model_validate(empty | sections)


def a_point(*evidence: str) -> dict[str, Any]:
    """A statement that rests on this."""
    return {"statement": "People find the price fair.", "evidence": list(evidence)}


def a_disagreement(one: list[str], other: list[str]) -> dict[str, Any]:
    """Two sides that rest on this."""
    return {
        "about": "The price",
        "one_side": "For",
        "one_side_evidence": one,
        "other_side": "Against",
        "other_side_evidence": other,
    }


def test_labels_follow_the_order_of_the_answers() -> None:
    """A1 is the first answer; each knows whose it is."""
    assert list(LABELLED) == ["A1", "A2", "A3"]
    assert LABELLED["A3"].persona_id == GROUP.members[1].persona_id
    assert (LABELLED["A2"].persona_name, LABELLED["A2"].question) == ("Person 0", 1)


@pytest.mark.parametrize(
    ("citations", "fault"),
    [
        ([GOOD], None),
        ([GOOD, ALSO_GOOD], None),
        ([], "no_evidence"),
        ([FABRICATED], "quote_not_found"),
        ([GOOD, FABRICATED], "quote_not_found"),
        (["A2: the price is fair for what it does"], "quote_not_found"),
        (["A99: the price is fair for what it does"], "unknown_answer"),
        (["the price is fair for what it does"], "unknown_answer"),
        ([": the price is fair for what it does"], "unknown_answer"),
        (["A1: the price"], "quote_too_short"),
        (["A1"], "quote_too_short"),
    ],
)
def test_one_bad_citation_spoils_a_claim(citations: list[str], fault: Fault | None) -> None:
    """The first fault is named, and nothing of the claim is kept."""
    found, named = verify([a_citation(c) for c in citations], LABELLED)
    assert named == fault
    assert len(found) == (len(citations) if fault is None else 0)


def test_evidence_is_the_passage_as_it_stands_in_the_answer() -> None:
    """The model's spelling is not kept, the respondent's is; citing a passage twice keeps it once."""
    loud = a_citation(" A1 :  “THE PRICE IS  FAIR for what it does”")
    (found,), fault = verify([loud, a_citation(GOOD)], LABELLED)
    assert fault is None
    assert (found.answer_id, found.quote) == (ANSWERS[0].id, "the price is fair for what it does")


def test_a_disagreement_holds_only_when_each_side_does() -> None:
    """A side is a claim of its own, and the fault says which."""
    draft = a_report(disagreements=[a_disagreement([GOOD], [FABRICATED])])
    held, (doubt,) = check(insights(draft), LABELLED)
    assert held == []
    assert (doubt.section, dict(doubt.faults)) == ("disagreements", {1: "quote_not_found"})
    mended = with_citations(draft.disagreements[0], {1: [a_citation(ALSO_GOOD)]})
    assert [claim.citations[0].answer for claim in claims(mended)] == ["A1", "A2"]


def test_findings_keep_what_holds_and_count_what_does_not() -> None:
    """Rejected insights are counted by section and fault, and are nowhere among the findings."""
    draft = a_report(
        executive_summary=[a_point(GOOD), a_point(FABRICATED), a_point(FABRICATED), a_point()],
        themes=[
            {"name": "Price", "description": "It is fair.", "sources": ["T1", "T9", "T2"], "evidence": [GOOD]},
            {"name": "Data", "description": "It is unsafe.", "sources": ["T3"], "evidence": [FABRICATED]},
        ],
        surprising=[{"statement": "Odd.", "expectation": "Even.", "evidence": [ALSO_GOOD]}],
        recommendations=[{"action": "Lower it.", "reason": "Too dear.", "evidence": [ALSO_GOOD]}],
    )
    sources = {"T1": ["price"], "T2": ["cost", "price"], "T3": ["data"]}
    found = findings(*check(insights(draft), LABELLED), sources)
    assert len(found.executive_summary) == len(found.surprising) == len(found.recommendations) == 1
    assert [(theme.name, theme.phrases) for theme in found.themes] == [("Price", ["price", "cost"])]
    assert {(r.section, r.fault): r.count for r in found.rejected} == {
        ("executive_summary", "quote_not_found"): 2,
        ("executive_summary", "no_evidence"): 1,
        ("themes", "quote_not_found"): 1,
    }
    assert len(found.evidence()) == 4
    assert "outrageous" not in found.model_dump_json()


def test_nul_in_a_reply_does_not_reach_the_database() -> None:
    """Postgres refuses NUL in text, so that it is replaced where it comes in."""
    draft = a_report(executive_summary=[a_point(GOOD) | {"statement": "People\x00 agree. "}])
    assert draft.executive_summary[0].statement == "People\ufffd agree."


def test_a_quote_may_have_colons_and_a_citation_survives_being_kept() -> None:
    """Only the first colon parts label and quote; what the cache keeps reads back the same."""
    citation = a_citation("A1: he said: no")
    assert (citation.answer, citation.quote) == ("A1", "he said: no")
    mending = Mending.model_validate({"statements": [{"label": "S1", "evidence": ["A1: he said: no"]}]})
    assert Mending.model_validate_json(mending.model_dump_json()) == mending
    assert mending.model_dump()["statements"][0]["evidence"] == ["A1: he said: no"]


@pytest.mark.parametrize("schema", [DraftReport, Mending])
def test_the_shape_asked_for_is_one_gemini_takes(schema: type[DraftReport | Mending]) -> None:
    """It is at most four levels deep, and no list has a limit."""
    asked = response_schema(schema)
    assert "maxItems" not in str(asked)
    assert _depth(asked) <= 4


def _depth(schema: dict[str, Any]) -> int:
    inside = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return (schema["type"] in ("OBJECT", "ARRAY")) + max(map(_depth, inside), default=0)
