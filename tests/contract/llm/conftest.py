"""The Gemini adapter on the fake server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from common.llm.gemini.adapter import Gemini
from common.llm.models import Models
from common.llm.port import Calls, Reply, Request
from common.llm.prompts import Prompts
from tests.fakes.gemini.fixtures import FakeGemini

KEY = "AIza-test-key-which-must-not-leak"
MODELS = Models("gemini", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")


class Answer(BaseModel):
    """What the tests ask for."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    stance: Literal["for", "against", "mixed"]
    sentiment: Annotated[float, Field(ge=-1, le=1)]
    themes: Annotated[list[str], Field(min_length=1, max_length=4)]


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """A folder with one prompt, `answer`."""
    (tmp_path / "answer.system.md").write_text("You are a respondent. " * 10)
    (tmp_path / "answer.user.md").write_text("Persona: ${persona}\n\nQuestion: ${question}")
    return Prompts(tmp_path)


@pytest.fixture
def gemini(fake_gemini: FakeGemini, prompts: Prompts) -> Iterator[Gemini]:
    """The adapter, connected to the fake server."""
    adapter = Gemini(KEY, MODELS, prompts, endpoint=fake_gemini.url)
    yield adapter
    adapter.close()


def asked(question: str = "What about bicycles?", **changes: Any) -> Request:
    """A request for an answer."""
    fields: dict[str, Any] = {
        "purpose": "answer",
        "prompt": "answer",
        "variables": {"persona": {"name": "Anna"}, "question": question},
        "schema": Answer,
        "seed": 7,
    }
    return Request(**(fields | changes))


def ask(adapter: Gemini, request: Request | None = None, *, seconds: float = 10.0) -> Reply:
    """Asks once, with so many seconds to answer."""
    return adapter.generate(request or asked(), calls=Calls(), deadline=time.monotonic() + seconds)
