"""Tests of reading server-sent events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cli.sse import ServerEvent, read_events

STREAM = 'retry: 1000\n\n: a comment\nid: 1\nevent: item_done\ndata: {"ł":\ndata: 1}\n\nevent: job\ndata:2\n\ndata\n\n'
EVENTS = [
    ServerEvent("1", "item_done", '{"ł":\n1}'),
    ServerEvent("1", "job", "2"),
    ServerEvent("1", "message", ""),
]


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 9), min_size=1))
def test_reads_the_same_events_however_the_bytes_are_cut(ending: str, sizes: list[int]) -> None:
    """Chunks may end anywhere, inside a letter or a line end, and lines may end in any of three ways."""
    raw = STREAM.replace("\n", ending).encode() + b": "
    chunks: list[bytes] = []
    while raw:
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(raw[:size])
        raw = raw[size:]
    assert list(read_events(chunks)) == EVENTS


def test_an_event_cut_off_is_not_one() -> None:
    """What the stream breaks off in is dropped: it will be sent again."""
    assert list(read_events([b"id: 1\ndata: a\n\nid: 2\ndata: b\n"])) == [ServerEvent("1", "message", "a")]


def test_an_id_with_nul_is_ignored() -> None:
    """The standard says so."""
    assert list(read_events([b"id: 1\n\nid: 2\0\ndata: a\n\n"])) == [ServerEvent("1", "message", "a")]
