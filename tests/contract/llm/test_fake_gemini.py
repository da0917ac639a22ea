"""The fake Gemini server keeps to the API it stands for: what it takes, what it makes up, and what it counts."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from common.llm.gemini.schema import response_schema
from tests.fakes.gemini.fixtures import ROOT, FakeGemini, running

GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"


class Colour(StrEnum):
    """Some choices."""

    RED = "red"
    BLUE = "blue"


class Detail(BaseModel):
    """A nested part."""

    quote: Annotated[str, Field(min_length=40, max_length=60)]
    colour: Colour | None


class Everything(BaseModel):
    """One field of every kind a schema may have."""

    text: str
    tight: Annotated[str, Field(max_length=12)]
    stance: Literal["for", "against"]
    score: Annotated[int, Field(ge=-3, le=3)]
    many: Annotated[int, Field(ge=1000)]
    share: Annotated[float, Field(ge=-1, le=1)]
    agrees: bool
    themes: Annotated[list[str], Field(min_length=3, max_length=5)]
    details: Annotated[list[Detail], Field(min_length=2)]
    note: str | None = None


def post(server: FakeGemini, path: str, body: object, *, key: str = "k") -> tuple[int, dict[str, Any]]:
    """The status and the body of the answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, content, {"x-goog-api-key": key} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def prompt(text: str = "Hello", **config: Any) -> dict[str, Any]:
    """A body of generateContent."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config}


def said(answer: dict[str, Any]) -> str:
    """The text of an answer."""
    return str(answer["candidates"][0]["content"]["parts"][0]["text"])


def test_structured_output_satisfies_any_schema(fake_gemini: FakeGemini) -> None:
    """Whatever the request, the answer is of the shape that was asked for."""
    schema = response_schema(Everything)
    answers = [
        Everything.model_validate_json(said(post(fake_gemini, GENERATE, prompt(f"{n}", responseSchema=schema))[1]))
        for n in range(60)
    ]

    assert {answer.stance for answer in answers} == {"for", "against"}
    assert {answer.note is None for answer in answers} == {True, False}
    assert len({answer.text for answer in answers}) == 60
    assert all(len(answer.tight) <= 12 for answer in answers)


def test_the_same_request_has_the_same_answer(fake_gemini: FakeGemini) -> None:
    """Answers come from the request, and nothing else."""
    assert post(fake_gemini, GENERATE, prompt("A")) == post(fake_gemini, GENERATE, prompt("A"))
    assert post(fake_gemini, GENERATE, prompt("A")) != post(fake_gemini, GENERATE, prompt("B"))


def test_usage_adds_up(fake_gemini: FakeGemini) -> None:
    """The total is the sum, thinking included; a long system prompt seen before counts as cached."""
    body = {**prompt("Hello"), "systemInstruction": {"parts": [{"text": "You are a respondent. " * 400}]}}
    first, second = (post(fake_gemini, GENERATE, body)[1]["usageMetadata"] for _ in range(2))

    assert first["totalTokenCount"] == (
        first["promptTokenCount"] + first["candidatesTokenCount"] + first["thoughtsTokenCount"]
    )
    assert "cachedContentTokenCount" not in first
    assert second["cachedContentTokenCount"] == 2200


def test_the_output_limit_holds(fake_gemini: FakeGemini) -> None:
    """An answer that is too long is cut off, and thinking can leave no room for it at all."""
    short = prompt("Hello", maxOutputTokens=10, thinkingConfig={"thinkingBudget": 0})
    candidate = post(fake_gemini, GENERATE, short)[1]["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert len(candidate["content"]["parts"][0]["text"]) <= 40

    candidate = post(fake_gemini, GENERATE, prompt("Hello", maxOutputTokens=50))[1]["candidates"][0]
    assert (candidate["finishReason"], "parts" in candidate["content"]) == ("MAX_TOKENS", False)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        {"contents": []},
        prompt(
            responseSchema={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "additionalProperties": False}
        ),
        prompt(responseSchema={"$ref": "#/$defs/A"}),
        prompt(responseSchema={"type": "OBJECT", "properties": {}}),
    ],
)
def test_what_the_api_refuses_is_refused(fake_gemini: FakeGemini, body: object) -> None:
    """Malformed bodies and unknown fields of a schema are answered 400."""
    status, answer = post(fake_gemini, GENERATE, body)

    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_callers_without_a_key_are_turned_away(fake_gemini: FakeGemini) -> None:
    """A key is needed, any key."""
    assert post(fake_gemini, GENERATE, prompt(), key="")[0] == 403


def test_unknown_paths_and_settings_are_errors(fake_gemini: FakeGemini) -> None:
    """A mistake in a test does not pass unnoticed."""
    assert post(fake_gemini, "/v1beta/models/x:countTokens", {})[0] == 404
    with pytest.raises(ValueError, match="no setting latencies"):
        fake_gemini.control(latencies=1)
    with pytest.raises(ValueError, match="no mode sulk"):
        fake_gemini.control(mode="sulk")


def test_which_calls_fail_does_not_depend_on_their_order(fake_gemini: FakeGemini) -> None:
    """The seed and the request decide."""

    def failing(order: range, seed: int) -> set[int]:
        fake_gemini.control(reset=True, mode="mixed", kinds=["internal", "unavailable"], rate=0.3, seed=seed)
        return {n for n in order if post(fake_gemini, GENERATE, prompt(f"{n}"))[0] != 200}

    forwards = failing(range(100), 1)
    assert failing(range(99, -1, -1), 1) == forwards
    assert failing(range(100), 2) != forwards
    assert 15 <= len(forwards) <= 45


def test_a_script_goes_first_and_an_overlay_sets_values(fake_gemini: FakeGemini) -> None:
    """Tests can say what is answered next, or what single fields hold."""
    fake_gemini.control(script=[{"text": "first"}, {"mode": "internal"}], overlay={"stance": "against"})
    schema = response_schema(Everything)

    assert said(post(fake_gemini, GENERATE, prompt(responseSchema=schema))[1]) == "first"
    assert post(fake_gemini, GENERATE, prompt(responseSchema=schema))[0] == 500
    answer = said(post(fake_gemini, GENERATE, prompt(responseSchema=schema))[1])
    assert Everything.model_validate_json(answer).stance == "against"


def test_calls_are_counted(fake_gemini: FakeGemini) -> None:
    """Duplicates are identical requests, and it is known how many came at once and what became of them."""
    fake_gemini.control(latency=0.2)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: post(fake_gemini, GENERATE, prompt(f"{n // 2}")), range(8)))
    counters = fake_gemini.counters()

    assert (counters["calls"], counters["duplicates"]) == (8, 4)
    assert counters["endpoints"] == {"generateContent": 8}
    assert counters["outcomes"] == {"ok": 8}
    assert counters["max_concurrency"] > 1
    assert counters["in_flight"] == 0


def test_calls_beyond_the_quota_are_turned_away(fake_gemini: FakeGemini) -> None:
    """A quota of its own makes the server answer 429."""
    fake_gemini.control(limit_per_second=5)
    statuses = [post(fake_gemini, GENERATE, prompt(f"{n}"))[0] for n in range(30)]

    assert 200 in statuses
    assert 429 in statuses


@pytest.mark.parametrize(("dimensions", "unit"), [(768, False), (3072, True)])
def test_only_full_embeddings_are_unit_vectors(fake_gemini: FakeGemini, dimensions: int, unit: bool) -> None:
    """As with gemini-embedding-001, shorter ones have to be normalised by whoever asks for them."""
    body = {"content": {"parts": [{"text": "I ride a bicycle"}]}, "outputDimensionality": dimensions}
    values = post(fake_gemini, "/v1beta/models/gemini-embedding-001:embedContent", body)[1]["embedding"]["values"]

    assert len(values) == dimensions
    assert math.isclose(math.hypot(*values), 1.0, abs_tol=1e-3) is unit


def test_a_batch_of_embeddings_has_a_limit(fake_gemini: FakeGemini) -> None:
    """A hundred texts fit in a request."""
    requests = [{"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}] * 101
    path = "/v1beta/models/gemini-embedding-001:batchEmbedContents"

    assert len(post(fake_gemini, path, {"requests": requests[:100]})[1]["embeddings"]) == 100
    assert post(fake_gemini, path, {"requests": requests})[0] == 400


def test_the_command_line_sets_how_it_starts() -> None:
    """Flags and the control endpoint set the same things."""
    with running("--latency", "0.05", "--mode", "mixed", "--rate", "0.5", "--retry-after", "3") as server:
        behaviour = server.control()

    assert (behaviour["latency"], behaviour["mode"], behaviour["rate"]) == (0.05, "mixed", 0.5)
    assert behaviour["retry_after"] == 3


def test_the_server_ends_with_whoever_started_it() -> None:
    """A test process that is killed leaves no server behind."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.gemini", "--until-stdin-ends"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=10) == 0
