"""Answering identical requests from the cache."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from common.cache.memory import MemoryCache
from common.llm.cached import Cached
from common.llm.models import Models
from common.llm.port import Calls, LanguageModel, ModelUnavailable
from common.llm.prompts import Prompts
from tests.unit.llm.scripted import FAR, MODELS, Clock, Opinion, ScriptedModel, reply, request


class Rating(BaseModel):
    """Another shape."""

    text: str
    stance: str
    points: int = 0


def cached(inner: LanguageModel, prompts: Prompts, cache: MemoryCache, models: Models = MODELS) -> Cached:
    """The cache around a model."""
    return Cached(inner, cache, models, prompts, ttl=60)


def test_an_identical_request_is_answered_from_the_cache(prompts: Prompts) -> None:
    """The second reply is the first one, and the model is asked once."""
    inner, calls = ScriptedModel([reply(cost_micros=9)]), Calls()
    model = cached(inner, prompts, MemoryCache())

    first = model.generate(request(), calls=calls, deadline=FAR)
    second = model.generate(request(), calls=calls, deadline=FAR)

    assert len(inner.requests) == 1
    assert (second.text, second.data, second.usage) == (first.text, first.data, first.usage)
    assert isinstance(second.data, Opinion)
    assert (first.cache_hit, second.cache_hit, second.cost_micros) == (False, True, 0)


def test_a_hit_is_recorded_as_a_call_that_cost_nothing(prompts: Prompts) -> None:
    """The tokens that were saved are there to see."""
    inner, calls = ScriptedModel([reply()]), Calls()
    model = cached(inner, prompts, MemoryCache())
    model.generate(request(), calls=Calls(), deadline=FAR)
    model.generate(request(), calls=calls, deadline=FAR)

    (call,) = calls.made
    assert (call.cache_hit, call.cost_micros, call.input_tokens, call.outcome) == (True, 0, 1000, "ok")


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"temperature": 0.1},
        {"max_output_tokens": 10},
        {"tier": "analysis"},
        {"schema": Rating},
        {"variables": {"question": "What about cars?"}},
    ],
)
def test_whatever_the_reply_depends_on_is_part_of_the_key(prompts: Prompts, change: dict[str, Any]) -> None:
    """A request that differs in anything is another request."""
    inner = ScriptedModel(
        [lambda asked: reply(data=Rating(text="a", stance="b")) if asked.schema is Rating else reply()]
    )
    model = cached(inner, prompts, MemoryCache())
    model.generate(request(), calls=Calls(), deadline=FAR)
    model.generate(request(**change), calls=Calls(), deadline=FAR)

    assert len(inner.requests) == 2


def test_variables_the_prompt_does_not_show_change_nothing(prompts: Prompts) -> None:
    """The key is of the text that is sent, not of everything that is known."""
    inner = ScriptedModel([reply()])
    model = cached(inner, prompts, MemoryCache())
    model.generate(request(), calls=Calls(), deadline=FAR)
    model.generate(request(variables={**request().variables, "unseen": 1}), calls=Calls(), deadline=FAR)

    assert len(inner.requests) == 1


def test_another_provider_has_its_own_replies(prompts: Prompts) -> None:
    """A simulated reply is never taken for a real one."""
    cache, inner = MemoryCache(), ScriptedModel([reply()])
    simulated = replace(MODELS, provider="simulated", simulated=True)
    cached(inner, prompts, cache, simulated).generate(request(), calls=Calls(), deadline=FAR)
    said = cached(inner, prompts, cache).generate(request(), calls=Calls(), deadline=FAR)

    assert len(inner.requests) == 2
    assert not said.cache_hit


def test_failures_are_not_kept(prompts: Prompts) -> None:
    """An error is not the answer to the next request."""
    inner = ScriptedModel([ModelUnavailable("down"), reply()])
    model = cached(inner, prompts, MemoryCache())
    with pytest.raises(ModelUnavailable):
        model.generate(request(), calls=Calls(), deadline=FAR)

    assert not model.generate(request(), calls=Calls(), deadline=FAR).cache_hit


def test_replies_are_forgotten_after_their_time(prompts: Prompts) -> None:
    """A reply older than the limit is asked for again."""
    clock = Clock()
    inner = ScriptedModel([reply()])
    model = Cached(inner, MemoryCache(clock=clock), MODELS, prompts, ttl=60)
    model.generate(request(), calls=Calls(), deadline=FAR)
    clock.now += 61
    model.generate(request(), calls=Calls(), deadline=FAR)

    assert len(inner.requests) == 2


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[]", b"\xff", b'{"text": 1, "data": "{}"}'])
def test_what_is_damaged_is_a_miss(prompts: Prompts, damaged: bytes) -> None:
    """A value that cannot be read is asked for again and replaced."""

    class Damaged(MemoryCache):
        def get(self, key: str) -> bytes | None:
            return damaged

    inner = ScriptedModel([reply()])
    assert not cached(inner, prompts, Damaged()).generate(request(), calls=Calls(), deadline=FAR).cache_hit


def test_text_replies_are_kept_too(prompts: Prompts) -> None:
    """Without a schema the text is all there is."""
    inner = ScriptedModel([reply(text="ok", data=None)])
    model = cached(inner, prompts, MemoryCache())
    first = model.generate(request(schema=None), calls=Calls(), deadline=FAR)
    second = model.generate(request(schema=None), calls=Calls(), deadline=FAR)

    assert second.cache_hit
    assert (second.text, second.data) == (first.text, None)


def test_each_text_is_embedded_once(prompts: Prompts) -> None:
    """Vectors come from the cache where they are kept, repeated texts are asked for once, and order holds."""
    inner, calls = ScriptedModel([reply()]), Calls()
    model = cached(inner, prompts, MemoryCache())
    model.embed(["a", "bb", "a"], purpose="persona", calls=Calls(), deadline=FAR)
    vectors = model.embed(["ccc", "bb", "a"], purpose="persona", calls=calls, deadline=FAR)

    assert [vector[0] for vector in vectors] == [3, 2, 1]
    assert inner.embedded == [["a", "bb"], ["ccc"]]
    (hit,) = calls.made
    assert (hit.cache_hit, hit.cost_micros) == (True, 0)
