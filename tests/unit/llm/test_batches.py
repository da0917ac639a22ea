"""Splitting what is to be embedded."""

from __future__ import annotations

from common.llm.batches import Batched
from common.llm.port import Calls
from tests.unit.llm.scripted import FAR, ScriptedModel, reply


def test_texts_are_embedded_in_batches_and_come_back_in_order() -> None:
    """However many texts there are, each has its vector in its place."""
    inner = ScriptedModel([reply()])
    texts = ["x" * length for length in range(7)]

    vectors = Batched(inner, limit=3).embed(texts, purpose="persona", calls=Calls(), deadline=FAR)

    assert [vector[0] for vector in vectors] == list(range(7))
    assert [len(batch) for batch in inner.embedded] == [3, 3, 1]


def test_nothing_is_asked_for_no_texts() -> None:
    """No texts need no call."""
    inner = ScriptedModel([reply()])

    assert Batched(inner).embed([], purpose="persona", calls=Calls(), deadline=FAR) == []
    assert inner.embedded == []
