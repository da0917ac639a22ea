"""Setting money aside before each call."""

from __future__ import annotations

import json

import pytest

from common.errors import Conflict
from common.llm.budgeted import Budgeted
from common.llm.ceilings import FORM_TOKENS
from common.llm.metering import Metered
from common.llm.port import BadReply, Calls, Unanswered, Usage
from common.llm.prompts import Prompts
from common.llm.retry import ATTEMPTS, Retrying
from tests.unit.llm.scripted import FAR, MODELS, Opinion, ScriptedModel, Sleepless, reply, request


def covering(limit: int | None = None) -> tuple[Calls, list[int]]:
    """A log that notes what it is asked to cover, and refuses more than the limit."""
    asked: list[int] = []

    def cover(micros: int) -> None:
        asked.append(micros)
        if limit is not None and micros > limit:
            raise Conflict("no money")

    return Calls(cover=cover), asked


def test_a_call_is_covered_by_its_bytes_and_all_it_may_put_out(prompts: Prompts) -> None:
    """No text has more tokens than bytes, whatever it is written in; the schema and the form are put in too."""
    calls, asked = covering()
    question = "Dlaczego zażółć gęślą jaźń? 👩‍🌾"
    Budgeted(ScriptedModel([reply()]), MODELS, prompts).generate(
        request(variables={"question": question}), calls=calls, deadline=FAR
    )
    texts = prompts.render(request(variables={"question": question}))
    put_in = len((texts.system + texts.user + json.dumps(Opinion.model_json_schema())).encode()) + FORM_TOKENS
    assert asked == [-(-put_in * 300 // 1000) + 1024 * 2.5]


def test_an_analysis_is_covered_with_its_thinking(prompts: Prompts) -> None:
    """It is charged as output of the dearer model."""
    calls, asked = covering()
    Budgeted(ScriptedModel([reply()]), MODELS, prompts).generate(request(tier="analysis"), calls=calls, deadline=FAR)
    assert asked[0] > (1024 + 2048) * 10


def test_a_call_that_cannot_be_paid_is_not_made(prompts: Prompts) -> None:
    """Whoever keeps the money says so with an error of their own."""
    calls, _ = covering(limit=100)
    inner = ScriptedModel([reply()])
    budgeted = Budgeted(inner, MODELS, prompts)
    with pytest.raises(Conflict):
        budgeted.generate(request(), calls=calls, deadline=FAR)
    with pytest.raises(Conflict):
        budgeted.embed(["abcd" * 1000], purpose="persona", calls=calls, deadline=FAR)
    assert (inner.requests, inner.embedded) == ([], [])


def test_every_attempt_is_covered_with_what_those_before_did_cost(prompts: Prompts) -> None:
    """A bad reply is paid for, and so is the one asked for in its place."""
    bad = BadReply("cut")
    bad.usage = Usage(1000, 1024)
    calls, asked = covering()
    model = Budgeted(Metered(ScriptedModel([bad]), MODELS, prompts), MODELS, prompts)
    with pytest.raises(BadReply):
        Retrying(model, Sleepless()).generate(request(), calls=calls, deadline=FAR)
    price = 1000 * 0.3 + 1024 * 2.5
    assert [micros - asked[0] for micros in asked] == [number * price for number in range(ATTEMPTS)]


def test_attempts_that_nobody_answered_add_up(prompts: Prompts) -> None:
    """Each may have been carried out and paid for: the next one is covered on top of them, until the money is spent."""
    calls, asked = covering()
    model = Budgeted(Metered(ScriptedModel([Unanswered("timed out")]), MODELS, prompts), MODELS, prompts)
    with pytest.raises(Unanswered):
        Retrying(model, Sleepless()).generate(request(), calls=calls, deadline=FAR)
    assert asked == [asked[0] * number for number in range(1, ATTEMPTS + 1)]
    assert calls.cost_micros == asked[-1]

    calls, asked = covering(limit=2 * asked[0])
    with pytest.raises(Conflict):
        Retrying(model, Sleepless()).generate(request(), calls=calls, deadline=FAR)
    assert calls.cost_micros == 2 * asked[0]


def test_embeddings_are_covered_by_what_they_are_metered_at(prompts: Prompts) -> None:
    """Both are the same estimate."""
    calls, asked = covering()
    texts = ["one text", "another, longer text"]
    Budgeted(Metered(ScriptedModel([reply()]), MODELS, prompts), MODELS, prompts).embed(
        texts, purpose="persona", calls=calls, deadline=FAR
    )
    assert asked == [calls.cost_micros]
    assert calls.cost_micros > 0
