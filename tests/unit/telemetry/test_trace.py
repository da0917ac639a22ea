"""Tests of trace contexts."""

from __future__ import annotations

import re

import pytest

from common.telemetry import trace

GIVEN = f"00-{'a' * 32}-{'b' * 16}-01"


def test_a_trace_context_is_taken_over() -> None:
    """A caller's trace goes on."""
    assert trace.accept(GIVEN) == GIVEN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"00-{'A' * 32}-{'b' * 16}-01",
        f"01-{'a' * 32}-{'b' * 16}-01",
        f"{GIVEN}-extra",
        f" {GIVEN}",
        f"{GIVEN}\n",
    ],
)
def test_what_is_no_trace_context_begins_a_new_one(header: str | None) -> None:
    """Nothing of a bad header is kept; the new trace is a valid one that is marked as sampled."""
    found = trace.accept(header)
    assert found != header
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", found)
    assert trace.accept(found) == found


def test_no_two_traces_are_alike() -> None:
    """Each start is its own trace."""
    assert len({trace.start() for _ in range(100)}) == 100
