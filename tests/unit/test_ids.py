"""Tests of identifiers."""

from __future__ import annotations

import time
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.ids import item_id, new_id

JOB = UUID("0190a000-0000-7000-8000-000000000000")


def test_a_new_id_is_a_uuid_of_version_7() -> None:
    """Version and variant are those of RFC 9562, and its first 48 bits are the time in milliseconds."""
    before = time.time_ns() // 1_000_000
    found = new_id()
    after = time.time_ns() // 1_000_000
    assert (found.version, found.variant) == (7, RFC_4122)
    assert before <= found.int >> 80 <= after


def test_ids_are_in_the_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One made a millisecond later sorts later, whatever is random in it."""
    clock = iter(range(1_750_000_000_000, 1_750_000_000_500))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock) * 1_000_000)
    made = [new_id() for _ in range(500)]
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """74 bits are random."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_750_000_000_000_000_000)
    assert len({new_id() for _ in range(2000)}) == 2000


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_an_item_has_the_same_id_however_often_it_is_made(one: int, other: int) -> None:
    """Its job and position make it, and nothing else; other positions and jobs have other ids."""
    assert item_id(JOB, one) == item_id(JOB, one)
    assert (item_id(JOB, one) == item_id(JOB, other)) == (one == other)
    assert item_id(JOB, one) != item_id(UUID(int=JOB.int + 1), one)
