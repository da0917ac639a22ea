"""The whole stack around the Gemini adapter, on a real Redis and the fake server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from common.cache.memory import MemoryCache
from common.cache.redis import RedisCache, breaker, connect
from common.llm import ceilings, stack
from common.llm.gemini.adapter import Gemini
from common.llm.limits.port import Rates
from common.llm.port import Calls, LanguageModel, ModelUnavailable, RateLimited, Unanswered
from common.llm.prices import UnknownModel
from common.llm.prompts import PromptBroken, Prompts
from common.llm.retry import ATTEMPTS
from common.shutdown import Shutdown
from tests.contract.llm.conftest import MODELS, Answer, asked
from tests.fakes.gemini.fixtures import FakeGemini
from tests.fixtures.eventually import eventually
from tests.unit.llm.scripted import Sleepless

FAST = Rates(600_000, 1e9)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    yield client
    client.close()


def build(adapter: LanguageModel, prompts: Prompts, client: Redis, *, cache_seconds: float = 60.0) -> LanguageModel:
    """The stack on one Redis."""
    guard = breaker()
    return stack.build(
        adapter,
        models=MODELS,
        prompts=prompts,
        limiter=stack.limiter(FAST, redis=client, breaker=guard),
        cache=RedisCache(client, guard),
        cache_seconds=cache_seconds,
        call_seconds=5.0,
        shutdown=Sleepless(),
    )


def soon() -> float:
    """A deadline that is far enough for a call."""
    return time.monotonic() + 10


def test_a_call_is_metered_and_its_repetition_is_free(
    gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini
) -> None:
    """The first costs what its tokens cost, the second comes from the cache, and both are recorded."""
    model, calls = build(gemini, prompts, client), Calls()
    first = model.generate(asked(), calls=calls, deadline=soon())
    second = model.generate(asked(), calls=calls, deadline=soon())

    assert first.data == second.data
    assert isinstance(second.data, Answer)
    assert [(call.cache_hit, call.outcome) for call in calls.made] == [(False, "ok"), (True, "ok")]
    assert calls.cost_micros == first.cost_micros > 0
    assert fake_gemini.counters()["calls"] == 1


def test_processes_share_the_cache(gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini) -> None:
    """What one stack has asked, another one on the same Redis need not ask."""
    one, other = build(gemini, prompts, client), build(gemini, prompts, client)
    one.generate(asked(), calls=Calls(), deadline=soon())

    assert other.generate(asked(), calls=Calls(), deadline=soon()).cache_hit
    assert fake_gemini.counters()["calls"] == 1


def test_passing_failures_are_overcome_and_recorded(
    gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini
) -> None:
    """Each failed attempt leaves its row; the caller sees only the reply."""
    fake_gemini.control(script=[{"mode": "unavailable"}, {"mode": "truncated"}, {"mode": "dropped"}])
    calls = Calls()
    reply = build(gemini, prompts, client).generate(asked(), calls=calls, deadline=soon())

    assert reply.data
    assert [call.outcome for call in calls.made] == ["llm_unavailable", "llm_bad_reply", "llm_unavailable", "ok"]
    assert calls.made[1].cost_micros > 0


def test_a_third_of_calls_failing_in_every_way_still_gives_every_answer(
    gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini
) -> None:
    """Mixed transient errors cost attempts, and rarely another delivery, but no answers."""
    fake_gemini.control(mode="mixed", rate=0.3, seed=1, retry_after=0)
    model = build(gemini, prompts, client)

    def ask(number: int) -> object:
        for _ in range(3):
            with suppress(ModelUnavailable):
                return model.generate(asked(f"Question {number}?"), calls=Calls(), deadline=soon()).data
        return None

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(60)))
    assert all(isinstance(answer, Answer) for answer in answers)
    counters = fake_gemini.counters()
    assert counters["answered_again"] == 0
    assert len(counters["outcomes"]) > 4


def test_a_429_with_a_long_delay_is_left_to_the_bus(
    gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini
) -> None:
    """Nobody waits beyond the deadline, and the next call is not even made."""
    fake_gemini.control(mode="rate_limited", retry_after=300)
    model, calls = build(gemini, prompts, client), Calls()
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            model.generate(asked(), calls=calls, deadline=soon())
        assert caught.value.retry_after
        assert caught.value.retry_after > 290

    assert fake_gemini.counters()["calls"] == 1
    assert [call.outcome for call in calls.made] == ["llm_rate_limited"]


def test_embeddings_go_in_batches_and_are_kept(
    gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini
) -> None:
    """More texts than a request takes make several, and none is embedded twice."""
    texts = [f"Text number {number}" for number in range(150)]
    model, calls = build(gemini, prompts, client), Calls()
    first = model.embed(texts, purpose="persona", calls=calls, deadline=soon())
    again = model.embed([*texts, "One more"], purpose="persona", calls=calls, deadline=soon())

    assert again[:150] == first
    assert fake_gemini.counters()["endpoints"] == {"batchEmbedContents": 3}
    assert [call.cache_hit for call in calls.made] == [False, False, True, False]


@pytest.mark.parametrize("deaf", [True, False])
def test_without_redis_calls_still_work(
    gemini: Gemini, prompts: Prompts, tmp_path: Path, fake_gemini: FakeGemini, deaf: bool
) -> None:
    """A Redis which is gone, or hangs, costs one short time-out and no answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/redis.sock")
        if deaf:
            listener.listen()
        client = connect(f"unix://{tmp_path}/redis.sock", timeout=0.05)
        model = build(gemini, prompts, client)
        replies = [model.generate(asked(f"{n}?"), calls=Calls(), deadline=soon()) for n in range(20)]
        client.close()

    assert all(reply.data for reply in replies)
    assert fake_gemini.counters()["calls"] == 20


def test_the_cache_can_be_turned_off(gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini) -> None:
    """With no time to keep replies, each request is a call."""
    model = build(gemini, prompts, client, cache_seconds=0)
    for _ in range(2):
        model.generate(asked(), calls=Calls(), deadline=soon())

    assert fake_gemini.counters()["calls"] == 2


def impatient(gemini: Gemini, prompts: Prompts, *, call_seconds: float) -> LanguageModel:
    """A stack of this process alone that waits so long for a call."""
    return stack.build(
        gemini,
        models=MODELS,
        prompts=prompts,
        limiter=stack.limiter(FAST),
        cache=MemoryCache(),
        cache_seconds=60,
        call_seconds=call_seconds,
        shutdown=Sleepless(),
    )


def test_a_call_has_a_limit_of_its_own(gemini: Gemini, prompts: Prompts, fake_gemini: FakeGemini) -> None:
    """One call that hangs does not use up the time for the next attempt."""
    fake_gemini.control(mode="hang", times=1)
    model = impatient(gemini, prompts, call_seconds=0.3)
    calls = Calls()

    assert model.generate(asked(), calls=calls, deadline=soon()).data
    assert calls.made[0].outcome == "llm_unavailable"
    assert calls.made[-1].outcome == "ok"


def test_an_answer_that_comes_too_late_is_charged(gemini: Gemini, prompts: Prompts, fake_gemini: FakeGemini) -> None:
    """The provider makes every one of them and wants its money: what is recorded is no less than what they cost."""
    fake_gemini.control(latency=1.0)
    model = impatient(gemini, prompts, call_seconds=0.2)
    calls = Calls()
    with pytest.raises(Unanswered):
        model.generate(asked(), calls=calls, deadline=soon())

    most = ceilings.of_request(asked(), MODELS, prompts)
    eventually(lambda: fake_gemini.counters()["outcomes"] == {"ok": ATTEMPTS})
    assert [(call.outcome, call.cost_micros) for call in calls.made] == [("llm_unavailable", most)] * ATTEMPTS


def test_a_broken_prompt_is_found_before_anything_is_asked(
    gemini: Gemini, prompts: Prompts, client: Redis, fake_gemini: FakeGemini
) -> None:
    """A missing variable is our error, and costs nothing."""
    with pytest.raises(PromptBroken):
        build(gemini, prompts, client).generate(asked(variables={}), calls=Calls(), deadline=soon())
    assert fake_gemini.counters()["calls"] == 0


def test_models_without_a_price_are_refused_at_once(gemini: Gemini, prompts: Prompts) -> None:
    """Not after the first call was paid for; simulated ones need none."""
    unknown = replace(MODELS, analysis="gemini-9-ultra")
    parts = {"prompts": prompts, "limiter": stack.limiter(FAST), "cache": MemoryCache(), "shutdown": Shutdown()}
    with pytest.raises(UnknownModel, match="gemini-9-ultra"):
        stack.build(gemini, models=unknown, cache_seconds=60, call_seconds=60, **parts)  # type: ignore[arg-type]

    simulated = replace(unknown, simulated=True)
    assert stack.build(gemini, models=simulated, cache_seconds=60, call_seconds=60, **parts)  # type: ignore[arg-type]
