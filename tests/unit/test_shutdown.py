"""Tests of how a process keeps the times of its end."""

from __future__ import annotations

import math
import threading
import time

import pytest

from common.errors import Unavailable
from common.shutdown import Shutdown, ShuttingDown, shutting_down
from tests.fixtures.eventually import eventually


def test_a_process_does_not_end_by_itself() -> None:
    """Until told to, calls have no end and sleeping is only that."""
    shutdown = Shutdown()
    assert not shutdown.begun
    assert not shutting_down()
    assert shutdown.calls_end() == math.inf
    shutdown.check()
    shutdown.sleep(0.0)


def test_the_first_word_counts() -> None:
    """Being told again does not give more time."""
    shutdown = Shutdown(calls_seconds=5.0)
    shutdown.begin()
    end = shutdown.calls_end()
    assert end <= time.monotonic() + 5.0
    shutdown.begin()
    assert shutdown.calls_end() == end
    with pytest.raises(ShuttingDown):
        shutdown.check()


def test_who_sleeps_is_woken() -> None:
    """Nobody sleeps on once the process is to end, and no later sleep begins."""
    shutdown = Shutdown()
    woken: list[Unavailable] = []

    def sleep() -> None:
        try:
            shutdown.sleep(1000.0)
        except ShuttingDown as error:
            woken.append(error)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    shutdown.begin()
    sleeper.join(timeout=30)
    assert [error.retryable for error in woken] == [True]
    with pytest.raises(ShuttingDown):
        shutdown.sleep(1000.0)


def test_calls_are_broken_off_before_what_is_held_is_handed_over() -> None:
    """Each in its time, and the second even where the first fails."""
    shutdown = Shutdown(calls_seconds=0.01, hold_seconds=0.02)
    done: list[tuple[str, bool]] = []

    def interrupt() -> None:
        done.append(("interrupt", time.monotonic() >= shutdown.calls_end()))
        raise OSError("gone already")

    shutdown.attend(
        interrupt=interrupt,
        leave=lambda: done.append(("leave", time.monotonic() >= shutdown.calls_end() + 0.01)),
    )
    assert not done
    shutdown.begin()
    eventually(lambda: len(done) == 2)
    assert done == [("interrupt", True), ("leave", True)]
