"""Reads a stream of server-sent events (WHATWG HTML, 9.2 "Server-sent events")."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its `id` (of the last event that had one), its type and its data."""

    id: str
    type: str
    data: str


def read_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """The events in the bytes of a stream, each as soon as the blank line that ends it is there. An event
    that the stream breaks off in is not one."""
    last_id, kind, data = "", "", list[str]()
    for line in _lines(chunks):
        if line == "":
            if data:
                yield ServerEvent(last_id, kind or "message", "\n".join(data))
            kind, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            kind = value
        elif field == "id" and "\0" not in value:
            last_id = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Complete lines, ended by CRLF, LF or CR, wherever the chunks are cut."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    text = ""
    for chunk in chunks:
        text += decoder.decode(chunk)
        # A CR at the end may be half of a CRLF, so it waits for what follows.
        ready, held = (text[:-1], "\r") if text.endswith("\r") else (text, "")
        *lines, rest = _LINE_END.split(ready)
        yield from lines
        text = rest + held
