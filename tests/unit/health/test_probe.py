"""Tests of checks that many callers share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import structlog
from structlog.testing import capture_logs

from common.health import probe as probes
from common.health.probe import FRESH_SECONDS, REMEMBER_SECONDS, Outcome, Probe
from common.health.reasons import TIMEOUT
from tests.fixtures.eventually import eventually

LIMIT = 2.0


@dataclass
class Dependency:
    """Something to check, which hangs when told to, on a clock that stands still."""

    now: float = 100.0
    calls: int = 0
    failure: Exception | None = None
    answers: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def check(self) -> str:
        """What is asked."""
        self.calls += 1
        self.answers.wait()
        if self.failure:
            raise self.failure
        return f"answer {self.calls}"

    def clock(self) -> float:
        """The time."""
        return self.now

    def probe(self) -> Probe[str]:
        """A probe of it."""
        return Probe("it", self.check, limit=LIMIT, clock=self.clock)


@pytest.fixture
def dependency() -> Iterator[Dependency]:
    """A dependency that answers. It stops hanging when the test is over."""
    found = Dependency()
    yield found
    found.answers.set()
    eventually(lambda: not threads())


def threads() -> list[str]:
    """The threads that check it."""
    return [thread.name for thread in threading.enumerate() if thread.name == "health-it"]


def hang(dependency: Dependency, probe: Probe[str]) -> Outcome[str]:
    """Has the dependency hang until its caller has lost patience."""
    dependency.answers.clear()
    wait = probe.begin()
    eventually(lambda: dependency.calls)
    dependency.now += LIMIT
    return wait()


def test_a_check_tells_what_it_found_and_took(dependency: Dependency) -> None:
    """What the check returns is its value, and the time it takes its latency."""
    dependency.answers.clear()
    wait = dependency.probe().begin()
    dependency.now += 0.0125
    dependency.answers.set()
    assert wait() == Outcome("answer 1", 12.5, None)


def test_a_failure_is_told_in_a_few_words(dependency: Dependency) -> None:
    """Whatever the error says, only its kind gets out."""
    dependency.failure = ConnectionRefusedError("postgres://user:secret@10.0.0.7 said no")
    assert dependency.probe().begin()() == Outcome(None, 0.0, "refused")


def test_callers_at_the_same_time_share_one_check(dependency: Dependency) -> None:
    """However many ask, the dependency is asked once, by one thread."""
    probe = dependency.probe()
    dependency.answers.clear()
    waits = [probe.begin() for _ in range(50)]
    assert len(threads()) == 1
    with ThreadPoolExecutor(50) as callers:
        outcomes = [callers.submit(wait) for wait in waits]
        dependency.answers.set()
        assert {outcome.result().value for outcome in outcomes} == {"answer 1"}
    assert dependency.calls == 1


def test_an_outcome_is_fresh_for_a_moment(dependency: Dependency) -> None:
    """Who asks right after is told the same; who asks later has it asked anew."""
    probe = dependency.probe()
    assert probe.begin()().value == "answer 1"
    dependency.now += FRESH_SECONDS / 2
    assert probe.begin()().value == "answer 1"
    dependency.now += FRESH_SECONDS
    assert probe.begin()().value == "answer 2"


def test_a_failure_is_asked_again(dependency: Dependency) -> None:
    """Only hanging is remembered: one that refuses costs nothing to ask."""
    probe = dependency.probe()
    dependency.failure = OSError()
    assert probe.begin()().error == "unreachable"
    dependency.now += FRESH_SECONDS
    dependency.failure = None
    assert probe.begin()().error is None


def test_one_that_hangs_is_a_timeout_at_the_limit(dependency: Dependency) -> None:
    """Nobody waits for longer than the limit, counted from when the check began."""
    assert hang(dependency, dependency.probe()) == Outcome(None, 2000.0, TIMEOUT)


def test_one_that_is_known_to_hang_keeps_nobody_waiting(dependency: Dependency) -> None:
    """While it hangs, whoever asks is told so at once, and no thread comes to those that hang already."""
    probe = dependency.probe()
    known = hang(dependency, probe)
    for _ in range(100):
        dependency.now += 1.0
        assert probe.begin()() is known or dependency.now > 100.0 + REMEMBER_SECONDS
    assert probe.begin()().error == TIMEOUT
    assert (dependency.calls, len(threads())) == (1, 1)


def test_one_that_answers_again_is_heard(dependency: Dependency) -> None:
    """The caller after it is over has it asked anew, and the next one hears the answer."""
    probe = dependency.probe()
    hang(dependency, probe)
    dependency.answers.set()
    eventually(lambda: not threads())
    dependency.now += 1.0
    assert probe.begin()().error == TIMEOUT
    eventually(lambda: not threads())
    assert probe.begin()() == Outcome("answer 2", 0.0, None)


def test_a_timeout_long_ago_is_forgotten(dependency: Dependency) -> None:
    """Nobody is told of trouble that may be over for long."""
    probe = dependency.probe()
    hang(dependency, probe)
    dependency.answers.set()
    eventually(lambda: not threads())
    dependency.now += REMEMBER_SECONDS
    assert probe.begin()().value == "answer 2"


def test_an_answer_after_the_limit_is_a_timeout_too(dependency: Dependency) -> None:
    """An answer that nobody waited for is no better than one that came too late."""
    dependency.answers.clear()
    probe = dependency.probe()
    wait = probe.begin()
    dependency.now += LIMIT + 0.5
    dependency.answers.set()
    assert wait() == Outcome(None, 2500.0, TIMEOUT)


def test_only_a_change_is_logged(dependency: Dependency, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is two lines of the log, however often health is asked for meanwhile."""
    monkeypatch.setattr(probes, "log", structlog.get_logger())
    probe = dependency.probe()
    steps: list[Exception | None] = [None, OSError("x"), OSError("x"), TimeoutError("x"), None, None]
    with capture_logs() as logged:
        for failure in steps:
            dependency.failure = failure
            settle(probe, dependency)
    assert [line["error"] for line in logged] == ["unreachable", TIMEOUT, None]


def settle(probe: Probe[str], dependency: Dependency) -> None:
    """Has it asked once more, and the outcome known."""
    wait: Callable[[], Outcome[str]] = probe.begin()
    wait()
    eventually(lambda: not threads())
    dependency.now += REMEMBER_SECONDS
