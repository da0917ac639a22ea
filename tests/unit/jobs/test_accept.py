"""Tests of how a repeated request is recognised."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from common.jobs.accept import request_hash

REQUEST = {"size": 2, "audience": {"age": {"18-39": 0.4, "40+": 0.6}}, "name": "Zażółć"}


def test_the_order_of_keys_does_not_matter() -> None:
    """The same request written in another order is the same request."""
    assert request_hash("personas", REQUEST) == request_hash("personas", dict(reversed(REQUEST.items())))


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("focus_group", REQUEST),
        ("personas", REQUEST | {"size": 3}),
        ("personas", REQUEST | {"size": "2"}),
        ("personas", REQUEST | {"seed": None}),
    ],
)
def test_whatever_differs_makes_another_request(kind: str, request_: dict[str, Any]) -> None:
    """Another kind, value, type or field is another request."""
    assert request_hash(kind, request_) != request_hash("personas", REQUEST)


def test_ids_are_told_by_their_text() -> None:
    """A request is the same whether its ids have been read or not."""
    assert request_hash("x", {"id": UUID(int=7)}) == request_hash("x", {"id": str(UUID(int=7))})
