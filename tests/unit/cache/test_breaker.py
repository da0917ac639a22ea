"""Leaving a dead server alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from common.cache.breaker import Breaker
from tests.unit.llm.scripted import Clock


@dataclass
class Server:
    """Answers or fails, and counts how often it was asked."""

    up: bool = True
    asked: int = 0
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_answer: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> str:
        """One request."""
        self.asked += 1
        if not self.up:
            raise ConnectionError
        return "answer"

    def ask_slowly(self) -> str:
        """One request that is answered when the test lets it."""
        self.entered.release()
        self.may_answer.wait(timeout=10)
        return self.ask()


def breaker(clock: Clock) -> Breaker:
    """A breaker which cools down for three seconds."""
    return Breaker("test", (ConnectionError,), cool_down=3.0, clock=clock)


def test_answers_pass_through() -> None:
    """While all is well nothing is in the way."""
    server = Server()

    assert [breaker(Clock()).call(server.ask, otherwise="none") for _ in range(3)] == ["answer"] * 3


def test_a_dead_server_is_asked_once_in_a_while() -> None:
    """However many calls there are, each cool-down costs one failure."""
    clock, server = Clock(), Server(up=False)
    it = breaker(clock)

    assert {it.call(server.ask, otherwise="none") for _ in range(100)} == {"none"}
    assert server.asked == 1
    clock.now += 3.1
    assert {it.call(server.ask, otherwise="none") for _ in range(100)} == {"none"}
    assert server.asked == 2


def test_a_server_that_is_back_is_used_again() -> None:
    """The first success after the cool-down closes the breaker for everyone."""
    clock, server = Clock(), Server(up=False)
    it = breaker(clock)
    it.call(server.ask, otherwise="none")
    server.up = True

    assert it.call(server.ask, otherwise="none") == "none"
    clock.now += 3.1
    assert [it.call(server.ask, otherwise="none") for _ in range(3)] == ["answer"] * 3


def test_only_one_caller_tries_while_the_others_go_without() -> None:
    """A server that still hangs holds up a single caller."""
    clock, server = Clock(), Server(up=False)
    it = breaker(clock)
    it.call(server.ask, otherwise="none")
    clock.now += 3.1
    server.up = True
    answers: list[str] = []
    trying = threading.Thread(target=lambda: answers.append(it.call(server.ask_slowly, otherwise="none")))
    trying.start()
    server.entered.acquire(timeout=10)

    assert [it.call(server.ask, otherwise="none") for _ in range(20)] == ["none"] * 20
    server.may_answer.set()
    trying.join(timeout=10)
    assert answers == ["answer"]
