"""What people are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["trouble", "working", "done", "information"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell, complete: whoever reads only this knows what happened and what to do. `facts` are names
    and values, `lines` the timeline so far, `commands` what one may want to type now."""

    title: str
    status: Status
    text: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    url: str = ""

    def as_json(self) -> dict[str, Any]:
        """The message as a document; `from_json` reads it back."""
        return {
            "title": self.title,
            "status": self.status,
            "text": self.text,
            "facts": [list(fact) for fact in self.facts],
            "lines": list(self.lines),
            "commands": list(self.commands),
            "url": self.url,
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Message:
        """The message of a document."""
        return Message(
            title=document["title"],
            status=document["status"],
            text=document["text"],
            facts=tuple((name, value) for name, value in document["facts"]),
            lines=tuple(document["lines"]),
            commands=tuple(document["commands"]),
            url=document["url"],
        )
