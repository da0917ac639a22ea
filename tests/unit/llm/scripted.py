"""A language model that does what a test wrote down, for the layers around one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from common.llm.models import Models
from common.llm.port import EMBEDDING_DIMENSIONS, CallLog, Reply, Request, Usage
from common.llm.prompts import Prompts
from common.shutdown import Shutdown

MODELS = Models("gemini", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001")
FAR = 1e9


class Opinion(BaseModel):
    """What the tests ask for."""

    text: str
    stance: str


@dataclass
class Clock:
    """A clock that stands still until it is told to go on, or something sleeps on it."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Goes on at once."""
        self.slept.append(seconds)
        self.now += seconds


class Sleepless(Shutdown):
    """A process that is not ending, in which no sleep takes time."""

    def sleep(self, seconds: float) -> None:
        """Returns at once."""
        self.check()


Step = Reply | Exception | Callable[[Request], Reply]


@dataclass
class ScriptedModel:
    """Takes its steps in order, the last one again and again: a reply, an error, or what makes a reply."""

    steps: list[Step]
    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0
    requests: list[Request] = field(default_factory=list)
    embedded: list[list[str]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)

    def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
        """The next step."""
        self.requests.append(request)
        self.deadlines.append(deadline)
        step = self._next()
        return step(request) if callable(step) else step

    def embed(self, texts: Sequence[str], *, purpose: str, calls: CallLog, deadline: float) -> list[list[float]]:
        """A vector for each text that only has its length, or the next step's error."""
        self.embedded.append(list(texts))
        self.deadlines.append(deadline)
        self._next()
        return [[float(len(text))] + [0.0] * (EMBEDDING_DIMENSIONS - 1) for text in texts]

    def _next(self) -> Reply | Callable[[Request], Reply]:
        self.clock.now += self.seconds
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return step


def request(**changes: Any) -> Request:
    """A request for an opinion on bicycles."""
    asked = Request("answer", "opinion", {"question": "What about bicycles?"}, Opinion, seed=7)
    return replace(asked, **changes)


def reply(text: str = "Fine by me.", **changes: Any) -> Reply:
    """An opinion."""
    opinion = Opinion(text=text, stance="for")
    said = Reply(opinion.model_dump_json(), opinion, Usage(1000, 100, 200), "gemini-2.5-flash", "abc", simulated=False)
    return replace(said, **changes)


def prompts_in(folder: Path) -> Prompts:
    """Prompts with one, `opinion`, which asks a `question`."""
    (folder / "opinion.system.md").write_text("You are a respondent.\n")
    (folder / "opinion.user.md").write_text("Answer this: ${question}\n")
    return Prompts(folder)
