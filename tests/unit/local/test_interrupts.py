"""Interrupts can wait until there is something they can end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from local.interrupts import INTERRUPTS, held


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Has a SIGINT raise, which is ignored where the tests run in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", INTERRUPTS)
def test_an_interrupt_waits_until_it_is_released(number: signal.Signals) -> None:
    """It is seen at once, raised by the release, and the handlers are then those of before."""
    before = [signal.getsignal(each) for each in INTERRUPTS]
    with held() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.come
        with pytest.raises(KeyboardInterrupt):
            interrupts.release()
        assert [signal.getsignal(each) for each in INTERRUPTS] == before


def test_an_interrupt_that_nobody_released_is_raised_at_the_end() -> None:
    """None is lost by a block that ends without a release."""
    with pytest.raises(KeyboardInterrupt), held():
        os.kill(os.getpid(), signal.SIGINT)


def test_what_failed_while_interrupts_waited_is_what_is_raised() -> None:
    """The handlers are put back, and the failure goes on."""
    before = [signal.getsignal(each) for each in INTERRUPTS]
    with pytest.raises(ValueError, match="broken"):
        _fail_interrupted()
    assert [signal.getsignal(each) for each in INTERRUPTS] == before


def test_without_an_interrupt_nothing_is_raised() -> None:
    """After the release an interrupt is again what it was."""
    with held() as interrupts:
        interrupts.release()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def _fail_interrupted() -> None:
    with held():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("broken")
