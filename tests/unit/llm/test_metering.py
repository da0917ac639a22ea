"""Recording calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.llm import ceilings
from common.llm.metering import Metered
from common.llm.port import BadReply, Calls, ModelUnavailable, RateLimited, Refused, Unanswered, Usage
from common.llm.prompts import Prompts
from tests.unit.llm.scripted import FAR, MODELS, Clock, ScriptedModel, reply, request


def test_a_call_is_recorded_with_tokens_cost_and_latency(prompts: Prompts) -> None:
    """The record and the reply both carry what the call took."""
    clock, calls = Clock(), Calls()
    inner = ScriptedModel([reply()], clock, seconds=1.25)

    said = Metered(inner, MODELS, prompts, clock=clock).generate(request(), calls=calls, deadline=FAR)

    (call,) = calls.made
    assert (call.input_tokens, call.output_tokens, call.cached_tokens) == (1000, 100, 200)
    assert call.cost_micros == said.cost_micros == 800 * 0.3 + 200 * 0.03 + 100 * 2.5
    assert call.latency_ms == said.latency_ms == 1250
    assert (call.purpose, call.provider, call.model) == ("answer", "gemini", "gemini-2.5-flash")
    assert call.prompt_hash == prompts.hash("opinion")
    assert (call.outcome, call.cache_hit, call.simulated) == ("ok", False, False)


def test_an_analysis_is_charged_to_its_model(prompts: Prompts) -> None:
    """The tier decides the model and so the price."""
    calls = Calls()
    Metered(ScriptedModel([reply()]), MODELS, prompts).generate(request(tier="analysis"), calls=calls, deadline=FAR)

    assert calls.made[0].model == "gemini-2.5-pro"
    assert calls.cost_micros == 800 * 1.25 + 200 * 0.125 + 100 * 10


@pytest.mark.parametrize("error", [ModelUnavailable("down"), BadReply("cut"), Refused("no")])
def test_failed_calls_are_recorded_and_raised(prompts: Prompts, error: ModelUnavailable | Refused) -> None:
    """A failure leaves a row with its code."""
    calls = Calls()
    with pytest.raises(type(error)):
        Metered(ScriptedModel([error]), MODELS, prompts).generate(request(), calls=calls, deadline=FAR)

    assert [call.outcome for call in calls.made] == [error.code]


def test_a_bad_reply_costs_what_it_used(prompts: Prompts) -> None:
    """A reply that was cut off is paid for all the same."""
    error, calls = BadReply("cut"), Calls()
    error.usage = Usage(10, 1024)
    with pytest.raises(BadReply):
        Metered(ScriptedModel([error]), MODELS, prompts).generate(request(), calls=calls, deadline=FAR)

    assert calls.cost_micros == 3 + 2560


@pytest.mark.parametrize("told", [Usage(), Usage(input_tokens=100)])
def test_a_reply_that_does_not_tell_its_tokens_costs_what_it_may_have(prompts: Prompts, told: Usage) -> None:
    """It was paid for: taken for free it could be asked for again and again."""
    calls = Calls()
    untold = replace(reply(), usage=told)
    said = Metered(ScriptedModel([untold]), MODELS, prompts).generate(request(), calls=calls, deadline=FAR)

    (call,) = calls.made
    assert call.cost_micros == said.cost_micros == ceilings.of_request(request(), MODELS, prompts)
    assert (call.outcome, call.output_tokens) == ("ok", 0)


def _untold(error: BadReply) -> BadReply:
    error.usage = Usage()
    return error


@pytest.mark.parametrize("error", [Unanswered("timed out"), BadReply("no JSON"), _untold(BadReply("empty"))])
def test_a_call_that_nobody_can_price_costs_what_it_may_have(prompts: Prompts, error: ModelUnavailable) -> None:
    """The provider may have made the answer and charged for it, though it never arrived or does not tell."""
    calls = Calls()
    with pytest.raises(type(error)):
        Metered(ScriptedModel([error]), MODELS, prompts).generate(request(), calls=calls, deadline=FAR)

    (call,) = calls.made
    assert call.cost_micros == ceilings.of_request(request(), MODELS, prompts) > 1024 * 2.5
    assert (call.outcome, call.input_tokens, call.output_tokens) == (error.code, 0, 0)


@pytest.mark.parametrize("error", [ModelUnavailable("503"), RateLimited("429"), Refused("400")])
def test_a_call_that_was_turned_away_costs_nothing(prompts: Prompts, error: ModelUnavailable | Refused) -> None:
    """Nothing was made."""
    calls = Calls()
    with pytest.raises(type(error)):
        Metered(ScriptedModel([error]), MODELS, prompts).generate(request(), calls=calls, deadline=FAR)

    assert calls.cost_micros == 0


def test_simulated_calls_cost_nothing_and_say_so(prompts: Prompts) -> None:
    """What no real model said is marked and free."""
    models, calls = replace(MODELS, provider="simulated", standard="simulated-1", simulated=True), Calls()
    Metered(ScriptedModel([reply()]), models, prompts).generate(request(), calls=calls, deadline=FAR)

    (call,) = calls.made
    assert (call.cost_micros, call.simulated, call.model, call.input_tokens) == (0, True, "simulated-1", 1000)


def test_simulated_calls_that_fail_cost_nothing(prompts: Prompts) -> None:
    """Whatever becomes of them; the table of prices does not even have their model."""
    models, calls = replace(MODELS, provider="simulated", standard="simulated-1", simulated=True), Calls()
    with pytest.raises(Unanswered):
        Metered(ScriptedModel([Unanswered("timed out")]), models, prompts).generate(
            request(), calls=calls, deadline=FAR
        )

    assert calls.cost_micros == 0


def test_embeddings_are_recorded_with_estimated_tokens(prompts: Prompts) -> None:
    """One row for one request to the embedding model."""
    calls = Calls()
    Metered(ScriptedModel([reply()]), MODELS, prompts).embed(
        ["abcd", "ab"], purpose="persona", calls=calls, deadline=FAR
    )

    (call,) = calls.made
    assert (call.model, call.input_tokens, call.output_tokens) == ("gemini-embedding-001", 2, 0)


def test_failed_embeddings_are_recorded(prompts: Prompts) -> None:
    """A failure to embed leaves a row too."""
    calls = Calls()
    with pytest.raises(ModelUnavailable):
        Metered(ScriptedModel([ModelUnavailable("down")]), MODELS, prompts).embed(
            ["a"], purpose="persona", calls=calls, deadline=FAR
        )

    assert [(call.outcome, call.cost_micros) for call in calls.made] == [("llm_unavailable", 0)]


def test_embeddings_that_nobody_answered_cost_their_estimate(prompts: Prompts) -> None:
    """It is what they would have cost."""
    calls, texts = Calls(), ["a text"] * 20
    with pytest.raises(Unanswered):
        Metered(ScriptedModel([Unanswered("timed out")]), MODELS, prompts).embed(
            texts, purpose="persona", calls=calls, deadline=FAR
        )

    assert calls.cost_micros == ceilings.of_texts(texts, MODELS) > 0
