import importlib
import time
from pathlib import Path

import pytest

from common.llm.port import EMBEDDING_DIMENSIONS, Calls, ModelUnavailable, Reply, Request
from common.llm.prices import estimate_tokens
from common.llm.prompts import Prompts
from common.llm.simulated.model import MODEL, PLAYERS, SimulatedModel
from common.personas.models import SegmentBrief

PROMPTS = Prompts(Path(__file__).parents[4] / "prompts")
VARIABLES = {
    "language": "en",
    "country": "Poland",
    "age": "25-34",
    "education": "higher",
    "location": "city",
    "gender": "female",
}


def ask(seed: int = 1, *, latency: float = 0.0, seconds: float = 10.0) -> Reply:
    """A brief from the simulated model."""
    request = Request("brief", "brief", VARIABLES, SegmentBrief, seed)
    model = SimulatedModel(PROMPTS, latency_seconds=latency)
    return model.generate(request, calls=Calls(), deadline=time.monotonic() + seconds)


def test_replies_are_marked_and_free() -> None:
    """Every reply says that it is simulated, by which model and from which prompt, and costs nothing."""
    reply = ask()
    assert reply.simulated
    assert (reply.model, reply.cost_micros, reply.cache_hit) == (MODEL, 0, False)
    assert reply.prompt_hash == PROMPTS.hash("brief")
    assert isinstance(reply.data, SegmentBrief)


def test_tokens_are_estimated_from_what_would_be_sent() -> None:
    """Input counts the rendered prompt, output the reply's text."""
    reply = ask()
    prompt = PROMPTS.render(Request("brief", "brief", VARIABLES, SegmentBrief, 1))
    assert reply.usage.input_tokens == estimate_tokens(prompt.system) + estimate_tokens(prompt.user)
    assert reply.usage.output_tokens == estimate_tokens(reply.text)


def test_the_same_request_gets_the_same_reply() -> None:
    """Replies hang on seed, prompt and variables alone."""
    assert ask(1).text == ask(1).text
    assert ask(1).text != ask(2).text


def test_it_does_not_reply_after_the_deadline() -> None:
    """A reply that would come too late fails at once, as one that passes."""
    with pytest.raises(ModelUnavailable):
        ask(latency=30.0, seconds=0.5)
    with pytest.raises(ModelUnavailable):
        SimulatedModel(PROMPTS, latency_seconds=30.0).embed(
            ["x"], purpose="p", calls=Calls(), deadline=time.monotonic()
        )


def test_embeds_in_order() -> None:
    """Each text has its vector of 768 dimensions, in the order given."""
    model = SimulatedModel(PROMPTS)
    vectors = model.embed(["one text", "another"], purpose="p", calls=Calls(), deadline=time.monotonic() + 5)
    assert [len(vector) for vector in vectors] == [EMBEDDING_DIMENSIONS] * 2
    [again] = model.embed(["another"], purpose="p", calls=Calls(), deadline=time.monotonic() + 5)
    assert vectors[1] == again


@pytest.mark.parametrize("prompt", sorted(PLAYERS))
def test_every_prompt_has_its_player(prompt: str) -> None:
    """Each entry names a prompt that exists and a function that plays it."""
    module, _, name = PLAYERS[prompt].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert PROMPTS.hash(prompt)
